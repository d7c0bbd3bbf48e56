"""The loopback ports of a data folder."""

import socket

from ops.ports import remembered, reserve


def test_ports_are_remembered(tmp_path):
    first = reserve(tmp_path / "ports.json", ["web", "broker"])
    assert reserve(tmp_path / "ports.json", ["web", "broker"]) == first
    assert remembered(tmp_path / "ports.json") == first


def test_each_name_has_its_own_port(tmp_path):
    names = [f"part{number}" for number in range(20)]
    assert len(set(reserve(tmp_path / "ports.json", names).values())) == len(names)


def test_a_taken_port_is_chosen_anew_and_the_others_stay(tmp_path):
    first = reserve(tmp_path / "ports.json", ["web", "broker"])
    with socket.create_server(("127.0.0.1", first["web"])):
        second = reserve(tmp_path / "ports.json", ["web", "broker"])
    assert second["web"] != first["web"]
    assert second["broker"] == first["broker"]


def test_an_unreadable_file_is_as_good_as_none(tmp_path):
    (tmp_path / "ports.json").write_text("{")
    assert reserve(tmp_path / "ports.json", ["web"]) == remembered(tmp_path / "ports.json")
