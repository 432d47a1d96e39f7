"""One definition: a flag goes before the environment, that before the file, that before the default."""

import pytest
from pydantic import ValidationError

from carousel.settings import Settings


def test_a_flag_goes_before_the_environment_before_the_file_before_the_default(tmp_path, monkeypatch):
    file = tmp_path / "carousel.toml"
    file.write_text("port = 1\nhttp_port = 1\nmax_samples = 1\n")
    monkeypatch.setenv("CAROUSEL_CONFIG", str(file))
    monkeypatch.setenv("CAROUSEL_PORT", "2")
    monkeypatch.setenv("CAROUSEL_HTTP_PORT", "2")
    settings = Settings(port="3")
    assert (settings.port, settings.http_port, settings.max_samples, settings.workers) == (3, 2, 1, 1)


def test_a_key_that_is_no_setting_is_refused(tmp_path):
    file = tmp_path / "carousel.toml"
    file.write_text("prot = 1\n")
    with pytest.raises(ValidationError, match="prot"):
        Settings(config=file)


def test_half_of_tls_is_refused(tmp_path):
    with pytest.raises(ValidationError, match="go together"):
        Settings(tls_certificate=tmp_path / "c.pem")
    with pytest.raises(ValidationError, match="needs tls_certificate"):
        Settings(tls_client_ca=tmp_path / "ca.pem")


def test_every_setting_says_what_it_is():
    assert all(field.description for field in Settings.model_fields.values())
