"""Settings from the environment and an optional ``.env``; read only when asked for."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from agent.errors import InputError

OWNER = "local"


class Settings(BaseSettings):
    """Every setting Spar reads. ``.env.example`` lists them with their meaning."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    data_dir: Path | None = Field(default=None, validation_alias="SPAR_DATA_DIR")
    database_url: str | None = Field(default=None, validation_alias="SPAR_DATABASE_URL")
    chroma_url: str | None = Field(default=None, validation_alias="SPAR_CHROMA_URL")
    model: str | None = Field(default=None, validation_alias="SPAR_MODEL")
    grader_model: str | None = Field(default=None, validation_alias="SPAR_GRADER_MODEL")
    model_timeout: float = Field(default=30.0, gt=0, le=600, validation_alias="SPAR_MODEL_TIMEOUT")
    spend_limit: float | None = Field(default=None, gt=0, validation_alias="SPAR_SPEND_LIMIT")
    tracing: bool = Field(default=False, validation_alias="SPAR_TRACING")
    openai_api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(default=None, validation_alias="OPENAI_BASE_URL")

    @property
    def folder(self) -> Path:
        """The data directory; not created here."""
        if self.data_dir is not None:
            return self.data_dir.expanduser()
        import platformdirs

        return Path(platformdirs.user_data_dir("spar", appauthor=False))

    @property
    def database(self) -> str:
        """SQLAlchemy URL of the database."""
        return self.database_url or f"sqlite:///{self.folder / 'spar.sqlite3'}"


def load_settings() -> Settings:
    """Settings from the environment over ``.env`` in the working directory.

    ``SPAR_ENV_FILE`` names another file; empty means none is read. InputError names a setting that
    cannot be used.
    """
    env_file = os.environ.get("SPAR_ENV_FILE", ".env")
    try:
        return Settings(_env_file=env_file or None)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise InputError(f"{first['loc'][0]} cannot be used: {first['msg'].lower()}.") from None


def quiet_tracing(settings: Settings) -> None:
    """Turn LangSmith uploads off for this process unless the user opted in with SPAR_TRACING."""
    if not settings.tracing:
        for name in ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING_V2"):
            os.environ[name] = "false"
