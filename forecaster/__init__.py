"""Forecast many time series at once with a Numba-compiled LSTM.

The public names below are imported when they are first used (PEP 562), so that ``import forecaster`` and
``forecaster --help`` stay light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from forecaster.audit import Audit as Audit
    from forecaster.audit import audit_csv as audit_csv
    from forecaster.audit import audit_file as audit_file
    from forecaster.audit import audit_panel as audit_panel
    from forecaster.backtest import Backtest as Backtest
    from forecaster.backtest import rolling_backtest as rolling_backtest
    from forecaster.batch import forecast_file as forecast_file
    from forecaster.classifier import SequenceClassifier as SequenceClassifier
    from forecaster.client import Client as Client
    from forecaster.columns import ColumnNames as ColumnNames
    from forecaster.config import NetworkConfig as NetworkConfig
    from forecaster.config import SequenceConfig as SequenceConfig
    from forecaster.config import TrainingConfig as TrainingConfig
    from forecaster.config import intervals_asked as intervals_asked
    from forecaster.csvfile import parse_csv as parse_csv
    from forecaster.csvrows import Limits as Limits
    from forecaster.diagnosis import GradientFlow as GradientFlow
    from forecaster.diagnosis import gradient_flow as gradient_flow
    from forecaster.elsewhere import predict_frame as predict_frame
    from forecaster.engine import engine_in_use as engine_in_use
    from forecaster.errors import ConfigError as ConfigError
    from forecaster.errors import ExecutorError as ExecutorError
    from forecaster.errors import ForecasterError as ForecasterError
    from forecaster.errors import InputError as InputError
    from forecaster.errors import MissingExtraError as MissingExtraError
    from forecaster.errors import ModelFormatError as ModelFormatError
    from forecaster.errors import NewerFormatError as NewerFormatError
    from forecaster.errors import NotFittedError as NotFittedError
    from forecaster.errors import OutputError as OutputError
    from forecaster.errors import ServiceError as ServiceError
    from forecaster.errors import StoreError as StoreError
    from forecaster.errors import TooLargeError as TooLargeError
    from forecaster.errors import TooShortError as TooShortError
    from forecaster.errors import UnknownVersionError as UnknownVersionError
    from forecaster.executors import Executor as Executor
    from forecaster.executors import executor_of as executor_of
    from forecaster.executors import usable_cpus as usable_cpus
    from forecaster.explanation import Explanation as Explanation
    from forecaster.explanation import Mover as Mover
    from forecaster.findings import Finding as Finding
    from forecaster.forecast import Forecast as Forecast
    from forecaster.forecast import SamplePaths as SamplePaths
    from forecaster.frequency import Frequency as Frequency
    from forecaster.longtable import LongTable as LongTable
    from forecaster.longtable import Numbering as Numbering
    from forecaster.model import Forecaster as Forecaster
    from forecaster.outputs import flush_folder as flush_folder
    from forecaster.panel import Panel as Panel
    from forecaster.pretrained import base_folders as base_folders
    from forecaster.search import tune as tune
    from forecaster.storage import describe_model as describe_model
    from forecaster.storage import kind_of as kind_of
    from forecaster.store import ModelStore as ModelStore
    from forecaster.store import open_store as open_store
    from forecaster.symbols import SymbolForecaster as SymbolForecaster
    from forecaster.tables import forecast_csv as forecast_csv
    from forecaster.tables import read_panel as read_panel
    from forecaster.tables import write_columns as write_columns
    from forecaster.tables import write_forecast as write_forecast
    from forecaster.traces import LayerTrace as LayerTrace
    from forecaster.traces import NetworkTrace as NetworkTrace
    from forecaster.versions import check_model_name as check_model_name
    from forecaster.versions import new_version as new_version
    from forecaster.vocabulary import Suggestion as Suggestion
    from forecaster.vocabulary import Vocabulary as Vocabulary

_HOME = {
    "Audit": "audit",
    "audit_csv": "audit",
    "audit_file": "audit",
    "audit_panel": "audit",
    "Backtest": "backtest",
    "rolling_backtest": "backtest",
    "SequenceClassifier": "classifier",
    "forecast_file": "batch",
    "Client": "client",
    "NetworkConfig": "config",
    "SequenceConfig": "config",
    "TrainingConfig": "config",
    "intervals_asked": "config",
    "ColumnNames": "columns",
    "parse_csv": "csvfile",
    "Limits": "csvrows",
    "GradientFlow": "diagnosis",
    "gradient_flow": "diagnosis",
    "predict_frame": "elsewhere",
    "engine_in_use": "engine",
    "ForecasterError": "errors",
    "InputError": "errors",
    "TooLargeError": "errors",
    "TooShortError": "errors",
    "ConfigError": "errors",
    "NotFittedError": "errors",
    "ModelFormatError": "errors",
    "NewerFormatError": "errors",
    "OutputError": "errors",
    "StoreError": "errors",
    "UnknownVersionError": "errors",
    "MissingExtraError": "errors",
    "ExecutorError": "errors",
    "ServiceError": "errors",
    "Executor": "executors",
    "executor_of": "executors",
    "usable_cpus": "executors",
    "Explanation": "explanation",
    "Mover": "explanation",
    "Forecast": "forecast",
    "SamplePaths": "forecast",
    "Finding": "findings",
    "Frequency": "frequency",
    "LongTable": "longtable",
    "Numbering": "longtable",
    "Forecaster": "model",
    "flush_folder": "outputs",
    "Panel": "panel",
    "base_folders": "pretrained",
    "tune": "search",
    "describe_model": "storage",
    "kind_of": "storage",
    "ModelStore": "store",
    "open_store": "store",
    "SymbolForecaster": "symbols",
    "forecast_csv": "tables",
    "read_panel": "tables",
    "write_columns": "tables",
    "write_forecast": "tables",
    "LayerTrace": "traces",
    "NetworkTrace": "traces",
    "Suggestion": "vocabulary",
    "Vocabulary": "vocabulary",
    "check_model_name": "versions",
    "new_version": "versions",
}
__all__ = ["__version__", *sorted(_HOME)]  # noqa: PLE0604 - a table of names is not copied into a second list


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'forecaster' has no attribute {name!r}")
    return getattr(importlib.import_module(f"forecaster.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
