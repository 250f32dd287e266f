"""Addresses of endpoints: which are refused, how one is read, and whose key goes there."""

from __future__ import annotations

import pytest

from burnish.errors import InputError
from burnish.models.endpoint_address import address_of, key_for


@pytest.mark.parametrize(
    "name",
    [
        "gpt",
        "openai:http://localhost:1/v1",
        "openai:ftp://localhost#m",
        "openai:file:///etc/passwd#m",
        "openai:http://me:secret@localhost/v1#m",
        "openai:http://169.254.169.254/latest#m",
        "openai:http://[::ffff:169.254.169.254]/v1#m",
        "openai:http://0.0.0.0/v1#m",
        "openai:http://localhost/v1?key=1#m",
        "openai:http://8.8.8.8/v1#m",
    ],
)
def test_addresses_that_are_refused(name):
    with pytest.raises(InputError) as error:
        address_of(name)
    assert "secret" not in str(error.value)


def test_an_address_is_read():
    address = address_of("openai:http://127.0.0.1:8000/v1/#org/model")
    assert (address.url, address.model, address.is_local) == ("http://127.0.0.1:8000/v1", "org/model", True)
    assert address.name == "openai:http://127.0.0.1:8000/v1#org/model"
    assert not address_of("openai:https://8.8.8.8/v1#m").is_local


def test_a_key_is_found_by_the_name_of_its_host():
    environment = {"OPENAI_API_KEY": "o", "BURNISH_KEY_MY_HOST_ORG": "m"}
    assert key_for("api.openai.com", environment) == "o"
    assert key_for("my-host.org", environment) == "m"
    assert key_for("elsewhere.org", environment) is None
