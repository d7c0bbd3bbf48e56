"""What `make run` starts, and what the programs are told."""

import pytest

from ops.broker import Valkey
from ops.machine import assemble, leave_addresses
from ops.postgres import PostgreSQL
from ops.storage import usable


def machine(tmp_path, **given):
    return assemble({"DATA_DIR": str(tmp_path / "data"), "PATH": "/usr/bin", **given}, usable)


def test_everything_runs_here_unless_the_operator_has_it_elsewhere(tmp_path):
    assert set(machine(tmp_path).servers) == {"storage", "broker", "door"}


@pytest.mark.parametrize("name", ["BROKER_URL", "BROKER_URL_FILE"])
def test_a_broker_elsewhere_is_used_and_none_is_started(tmp_path, name):
    (tmp_path / "address").write_text("redis://broker.example:6379/0")
    value = str(tmp_path / "address") if name.endswith("_FILE") else "redis://broker.example:6379/0"
    made = machine(tmp_path, **{name: value})
    assert "broker" not in made.servers
    assert made.settings.broker_url == "redis://broker.example:6379/0"


def test_a_storage_elsewhere_is_used_and_none_is_started(tmp_path):
    made = machine(tmp_path, S3_ENDPOINT_URL="https://s3.example", S3_SECRET_ACCESS_KEY="x" * 40)
    assert "storage" not in made.servers
    assert made.settings.storage.endpoint_url == "https://s3.example"


def test_the_second_start_finds_the_same_addresses_and_secrets(tmp_path):
    assert machine(tmp_path).told == machine(tmp_path).told


def test_the_servers_learn_no_secret_of_the_products(tmp_path):
    made = machine(tmp_path)
    assert "BROKER_URL" not in made.environment("storage")
    assert "S3_SECRET_ACCESS_KEY" not in made.environment("door")


def test_the_addresses_for_another_terminal_are_the_owners_alone(tmp_path):
    made = machine(tmp_path)
    leave_addresses(made)
    assert (made.data_dir / "addresses.json").stat().st_mode & 0o777 == 0o600


def test_the_browser_meets_the_storage_at_the_sites_own_address(tmp_path):
    assert (
        machine(tmp_path, SITE_URL="https://clips.example").told["S3_PUBLIC_URL"] == "https://clips.example"
    )


def test_the_port_is_part_of_a_local_sites_address(tmp_path):
    assert machine(tmp_path, PORT="8123").told["SITE_URL"] == "http://127.0.0.1:8123"


def test_the_broker_answers_only_with_its_password(broker_server):
    stranger = Valkey(broker_server.folder, {"broker": broker_server.port}, password="wrong")
    assert broker_server.ready()
    assert not stranger.ready()


def test_the_brokers_password_is_not_on_its_command_line(broker_server):
    assert all(broker_server.password not in word for word in broker_server.prepare().argv)


def test_each_database_is_a_fresh_one(make_postgres_database):
    assert make_postgres_database() != make_postgres_database()


def test_a_database_server_that_is_not_running_is_not_ready(tmp_path):
    assert not PostgreSQL(tmp_path, {"postgres": 1}).ready()
