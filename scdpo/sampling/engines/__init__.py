"""Engines turn token ids into sampled text: one small interface, one module a back end."""

from scdpo.sampling.engines.base import Completion, Engine, EngineError, Request, RequestRefused

__all__ = ["Completion", "Engine", "EngineError", "Request", "RequestRefused"]
