"""Any S3-compatible service: the few things we ask of it, on keys, in two buckets; the only importer of boto3.

Knows no clip. Server calls use the internal endpoint; signatures for browsers use the public one.
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.utils import parse_timestamp

from config import StorageSettings
from portal.errors import Away, Code, Missing, Unavailable

log = logging.getLogger(__name__)

MIB = 1024 * 1024
# Ranged reads: a whole large GET is re-read many times over by the embedded store.
# One call, with all its attempts, must end before a worker's lease would (90 s), whatever the service does.
CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 3.0, 24.0, 3
_TRANSFER = TransferConfig(
    multipart_threshold=8 * MIB,
    multipart_chunksize=8 * MIB,
    max_concurrency=2,
    num_download_attempts=ATTEMPTS,
)
UNFINISHED_DAYS = 8
"""Longer than any upload may take (`uploads.LONGEST`)."""

_NOT_THERE = {
    "NoSuchUpload", "NoSuchKey", "404", "NotFound", "NoSuchBucket", "NoSuchLifecycleConfiguration",
}  # fmt: skip


class Bucket(StrEnum):
    """Private originals and previews, or exactly what is published."""

    ORIGINALS = "originals"
    PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class StoredPart:
    """One part of an open multipart upload, as the storage lists it."""

    number: int
    size_bytes: int
    etag: str


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object, as the storage lists it."""

    key: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class OpenMultipart:
    """A multipart upload that nobody has finished."""

    key: str
    upload_id: str
    initiated_at: datetime


def _refusal(error: ClientError, verb: str) -> Missing | Unavailable:
    """What the service's answer means to us: not there, not now, or not at all."""
    if error.response.get("Error", {}).get("Code") in _NOT_THERE:
        return Missing(Code.MISSING, verb=verb)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    # 403 is a wrong key or a wrong clock of ours: somebody will set it right, or another worker has a right one.
    kind = Away if status in (403, 429) or status >= 500 else Unavailable
    return kind(Code.OURS_STORAGE, verb=verb, detail=str(error))


@cache
def _session() -> boto3.Session:
    """Reads dates as Python does: of the time that a listing takes, botocore's own way is four fifths."""
    made = botocore.session.get_session()
    made.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_moment)
    return boto3.Session(botocore_session=made)


def _moment(said: Any) -> datetime:
    try:
        return datetime.fromisoformat(said)
    except (TypeError, ValueError):
        moment: datetime = parse_timestamp(said)
        return moment


class Storage:
    """The two buckets of one S3-compatible service.

    Every method raises Unavailable(OURS_STORAGE) when the service cannot do its part.
    """

    def __init__(self, settings: StorageSettings) -> None:
        self._settings = settings
        self._names = {Bucket.ORIGINALS: settings.originals_bucket, Bucket.PUBLIC: settings.public_bucket}
        self._client = self._make_client(settings.endpoint_url)
        self._signer = self._make_client(settings.public_url)

    def _make_client(self, endpoint: str) -> Any:
        # `when_required`: otherwise some services store "aws-chunked" as the object's encoding.
        config = Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            # In all: `max_attempts` alone would count those after the first.
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=20,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        return _session().client(
            "s3",
            endpoint_url=endpoint,
            region_name=self._settings.region,
            aws_access_key_id=self._settings.access_key_id,
            aws_secret_access_key=self._settings.secret_access_key,
            config=config,
        )

    def _ask(self, verb: str, **arguments: Any) -> Any:
        try:
            return getattr(self._client, verb)(**arguments)
        except ClientError as error:
            raise _refusal(error, verb) from error
        except BotoCoreError as error:
            raise Away(Code.OURS_STORAGE, verb=verb, detail=str(error)) from error

    # Multipart uploads, originals bucket ------------------------------------------------------------

    def begin_multipart(self, key: str, content_type: str) -> str:
        """Open a multipart upload; the storage's own id for it."""
        bucket = self._names[Bucket.ORIGINALS]
        answer = self._ask("create_multipart_upload", Bucket=bucket, Key=key, ContentType=content_type)
        return str(answer["UploadId"])

    def sign_part(self, key: str, upload_id: str, number: int, length: int, *, ttl: int = 3600) -> str:
        """A URL that takes exactly `length` bytes as part `number` for `ttl` seconds, and nothing else."""
        # ContentLength must be among the signed parameters, or any size is accepted.
        return str(
            self._signer.generate_presigned_url(
                "upload_part",
                Params={
                    "Bucket": self._names[Bucket.ORIGINALS],
                    "Key": key,
                    "UploadId": upload_id,
                    "PartNumber": number,
                    "ContentLength": length,
                },
                ExpiresIn=ttl,
            )
        )

    def list_parts(self, key: str, upload_id: str) -> list[StoredPart]:
        """The parts that have arrived, by number; raises Missing when the upload is closed or unknown."""
        parts: list[StoredPart] = []
        marker = 0
        while True:
            answer = self._ask(
                "list_parts",
                Bucket=self._names[Bucket.ORIGINALS],
                Key=key,
                UploadId=upload_id,
                PartNumberMarker=marker,
            )
            listed = answer.get("Parts", [])
            parts += [StoredPart(part["PartNumber"], part["Size"], part["ETag"]) for part in listed]
            if not answer.get("IsTruncated"):
                return parts
            marker = answer["NextPartNumberMarker"]

    def complete_multipart(self, key: str, upload_id: str, parts: Iterable[StoredPart]) -> None:
        """Join the parts into one object; raises Missing when the upload is closed or unknown."""
        listed = [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
        self._ask(
            "complete_multipart_upload",
            Bucket=self._names[Bucket.ORIGINALS],
            Key=key,
            UploadId=upload_id,
            MultipartUpload={"Parts": listed},
        )

    def abort_multipart(self, key: str, upload_id: str) -> None:
        """Throw the parts away; an upload that is gone already is fine."""
        try:
            bucket = self._names[Bucket.ORIGINALS]
            self._ask("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=upload_id)
        except Missing:
            return

    def open_multiparts(self) -> Iterator[OpenMultipart]:
        """Every multipart upload that was begun and neither finished nor aborted."""
        markers: dict[str, str] = {}
        while True:
            answer = self._ask("list_multipart_uploads", Bucket=self._names[Bucket.ORIGINALS], **markers)
            for upload in answer.get("Uploads", []):
                yield OpenMultipart(upload["Key"], upload["UploadId"], upload["Initiated"])
            if not answer.get("IsTruncated"):
                return
            markers = {
                "KeyMarker": answer["NextKeyMarker"],
                "UploadIdMarker": answer["NextUploadIdMarker"],
            }

    # Objects ----------------------------------------------------------------------------------------

    def size(self, bucket: Bucket, key: str) -> int | None:
        """An object's size in bytes, or None when there is no such object."""
        try:
            return int(self._ask("head_object", Bucket=self._names[bucket], Key=key)["ContentLength"])
        except Missing:
            return None

    def fetch(self, bucket: Bucket, key: str, path: Path) -> str:
        """Copy an object into a file by ranged reads; its SHA-256 in hex. Raises Missing."""
        try:
            self._client.download_file(self._names[bucket], key, str(path), Config=_TRANSFER)
        except ClientError as error:
            raise _refusal(error, "fetch") from error
        except (BotoCoreError, boto3.exceptions.Boto3Error) as error:
            # The second is what is left when every attempt at a broken-off body has failed.
            raise Away(Code.OURS_STORAGE, verb="fetch", detail=str(error)) from error
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def read(self, bucket: Bucket, key: str, start: int, length: int) -> bytes:
        """Bytes `start` to `start + length` of an object; raises Missing."""
        span = f"bytes={start}-{start + length - 1}"
        answer = self._ask("get_object", Bucket=self._names[bucket], Key=key, Range=span)
        try:
            return bytes(answer["Body"].read())
        except BotoCoreError as error:
            raise Away(Code.OURS_STORAGE, verb="read", detail=str(error)) from error

    def put(
        self,
        bucket: Bucket,
        key: str,
        source: Path | bytes,
        *,
        content_type: str,
        cache_control: str = "no-store",
    ) -> None:
        """Store a file or bytes under a key, with its type and how long it may be cached."""
        extra = {"ContentType": content_type, "CacheControl": cache_control}
        if isinstance(source, bytes):
            self._ask("put_object", Bucket=self._names[bucket], Key=key, Body=source, **extra)
            return
        try:
            self._client.upload_file(str(source), self._names[bucket], key, ExtraArgs=extra, Config=_TRANSFER)
        except (ClientError, BotoCoreError, boto3.exceptions.Boto3Error) as error:
            raise Away(Code.OURS_STORAGE, verb="put", detail=str(error)) from error

    def copy_to_public(self, key: str, public_key: str, *, content_type: str, cache_control: str) -> None:
        """Copy a private object into the public bucket without moving its bytes through us; raises Missing."""
        self._ask(
            "copy_object",
            Bucket=self._names[Bucket.PUBLIC],
            Key=public_key,
            CopySource={"Bucket": self._names[Bucket.ORIGINALS], "Key": key},
            MetadataDirective="REPLACE",
            ContentType=content_type,
            CacheControl=cache_control,
        )

    def copy_private(self, key: str, new_key: str) -> None:
        """Copy a private object under another key, its type with it; raises Missing."""
        bucket = self._names[Bucket.ORIGINALS]
        self._ask("copy_object", Bucket=bucket, Key=new_key, CopySource={"Bucket": bucket, "Key": key})

    def delete(self, bucket: Bucket, keys: Iterable[str]) -> int:
        """Delete objects in batches of 1000 (S3's limit); how many were asked for. Absent ones are fine."""
        waiting = list(keys)
        for start in range(0, len(waiting), 1000):
            batch = [{"Key": key} for key in waiting[start : start + 1000]]
            answer = self._ask(
                "delete_objects", Bucket=self._names[bucket], Delete={"Objects": batch, "Quiet": True}
            )
            if answer.get("Errors"):
                raise Unavailable(Code.OURS_STORAGE, verb="delete", detail=str(answer["Errors"][:3]))
        return len(waiting)

    def keys(self, bucket: Bucket, prefix: str = "") -> Iterator[str]:
        """Every key under a prefix."""
        return (one.key for one in self.objects(bucket, prefix))

    def objects(self, bucket: Bucket, prefix: str = "") -> Iterator[StoredObject]:
        """Every object under a prefix in the order of the keys, a thousand held at a time."""
        for answer in self._listed(Bucket=self._names[bucket], Prefix=prefix):
            for item in answer.get("Contents", []):
                # Some stores show a folder that was emptied as an object of its own; no key of ours ends so.
                if not item["Key"].endswith("/"):
                    yield StoredObject(item["Key"], item["Size"])

    def folders(self, bucket: Bucket, prefix: str = "") -> tuple[list[str], list[StoredObject]]:
        """What the keys under a prefix go on with up to their next slash, and the objects without another slash."""
        prefixes: list[str] = []
        objects: list[StoredObject] = []
        for answer in self._listed(Bucket=self._names[bucket], Prefix=prefix, Delimiter="/"):
            prefixes += [item["Prefix"] for item in answer.get("CommonPrefixes", [])]
            objects += [
                StoredObject(item["Key"], item["Size"])
                for item in answer.get("Contents", [])
                if not item["Key"].endswith("/")
            ]
        return prefixes, objects

    def _listed(self, **wanted: str) -> Iterator[Any]:
        more: dict[str, str] = {}
        while True:
            answer = self._ask("list_objects_v2", **wanted, **more)
            yield answer
            if not answer.get("IsTruncated"):
                return
            more = {"ContinuationToken": answer["NextContinuationToken"]}

    # Addresses for browsers -------------------------------------------------------------------------

    def sign_get(
        self, key: str, *, ttl: int, content_type: str | None = None, download_name: str | None = None
    ) -> str:
        """A URL that reads one private object for `ttl` seconds."""
        params = {"Bucket": self._names[Bucket.ORIGINALS], "Key": key}
        if content_type:
            params["ResponseContentType"] = content_type
        if download_name:
            params["ResponseContentDisposition"] = f'attachment; filename="{download_name}"'
        return str(self._signer.generate_presigned_url("get_object", Params=params, ExpiresIn=ttl))

    def sign_post(
        self, key: str, *, max_bytes: int, redirect_url: str, ttl: int
    ) -> tuple[str, dict[str, str]]:
        """Address and fields of a form that posts one file straight to `key`, then leads to `redirect_url`.

        Without one the answer is a bare 201: a program posts it.
        """
        fields = (
            {"success_action_redirect": redirect_url} if redirect_url else {"success_action_status": "201"}
        )
        answer = self._signer.generate_presigned_post(
            self._names[Bucket.ORIGINALS],
            key,
            Fields=dict(fields),
            Conditions=[["content-length-range", 1, max_bytes], fields],
            ExpiresIn=ttl,
        )
        return str(answer["url"]), dict(answer["fields"])

    @property
    def has_deaf_edge(self) -> bool:
        """Whether a CDN stands in front of the public bucket that cannot be told to forget."""
        return self._settings.has_deaf_edge

    def public_url(self, key: str) -> str:
        """Where everybody reads a published object."""
        base = self._settings.cdn_url or f"{self._settings.public_url}/{self._settings.public_bucket}"
        return f"{base}/{key}"

    # Setting up and looking after -------------------------------------------------------------------

    def prepare(self) -> None:
        """Make the buckets and their rules as they must be; harmless when they already are.

        Some services know no such rules, or take them from nobody's key: there they are set by hand
        (docs/deploy.md), and `doctor` tells whether they hold.
        """
        for name in self._names.values():
            try:
                self._ask("head_bucket", Bucket=name)
            except Missing:
                self._ask("create_bucket", Bucket=name)
        for rule in (self._allow_reading, self._allow_origin, self._drop_unfinished):
            try:
                rule()
            except Unavailable as refusal:
                if self._settings.is_ours:
                    raise
                log.warning("storage: a rule must be set by hand: %s", refusal.facts)

    def _allow_reading(self) -> None:
        public = self._settings.public_bucket
        statement = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": ["s3:GetObject"],
            "Resource": [f"arn:aws:s3:::{public}/*"],
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._ask("put_bucket_policy", Bucket=public, Policy=policy)

    def _allow_origin(self) -> None:
        # CORS is needed only where the browser meets the storage on another origin than the site's.
        if self._settings.public_url == self._settings.site_url and not self._settings.cdn_url:
            return
        rule = {
            "AllowedOrigins": [self._settings.site_url],
            # POST is how Uppy sends what fits into one piece.
            "AllowedMethods": ["PUT", "POST", "GET", "HEAD"],
            "AllowedHeaders": ["content-type"],
            "ExposeHeaders": ["ETag"],
            "MaxAgeSeconds": 3600,
        }
        for name in self._names.values():
            self._ask("put_bucket_cors", Bucket=name, CORSConfiguration={"CORSRules": [rule]})

    def _drop_unfinished(self) -> None:
        # A net below the hourly sweep, for parts that cost money where nobody sweeps any more; ours has no such rule.
        if self._settings.is_ours or self._has_lifecycle():
            return
        rule = {
            "ID": "unfinished-uploads",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UNFINISHED_DAYS},
        }
        self._ask(
            "put_bucket_lifecycle_configuration",
            Bucket=self._settings.originals_bucket,
            LifecycleConfiguration={"Rules": [rule]},
        )

    def _has_lifecycle(self) -> bool:
        # Somebody's own rules are not written over.
        try:
            bucket = self._settings.originals_bucket
            return bool(self._ask("get_bucket_lifecycle_configuration", Bucket=bucket).get("Rules"))
        except Missing:
            return False

    def is_reachable(self) -> bool:
        """Whether both buckets answer now."""
        try:
            for name in self._names.values():
                self._client.head_bucket(Bucket=name)
        except (ClientError, BotoCoreError):
            return False
        return True
