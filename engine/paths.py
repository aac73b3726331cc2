"""Where files of this program live on the machine."""

import os
from pathlib import Path

import platformdirs

APP_NAME = "logitscope"
ROOT = Path(__file__).resolve().parents[1]
"""The program's own folder."""
ASSETS = ROOT / "assets"


def cache_dir() -> Path:
    """Directory for what can be fetched or computed again: `$LOGITSCOPE_CACHE`, or the user's cache directory."""
    return _chosen("LOGITSCOPE_CACHE") or Path(platformdirs.user_cache_dir(APP_NAME, appauthor=False))


def data_dir() -> Path:
    """Directory for what a person would miss: `$LOGITSCOPE_DATA`, or the user's data directory."""
    return _chosen("LOGITSCOPE_DATA") or Path(platformdirs.user_data_dir(APP_NAME, appauthor=False))


def models_dir() -> Path:
    """Directory of converted and generated models, one folder per model."""
    return cache_dir() / "models"


def _chosen(variable: str) -> Path | None:
    value = os.environ.get(variable, "").strip()
    return Path(value).expanduser().absolute() if value else None
