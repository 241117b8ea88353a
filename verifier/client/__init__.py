"""Talk to ``scdpo serve`` from Python: ``Client`` and its asynchronous twin ``AsyncClient``."""

from verifier.client.client import AsyncClient, AsyncRemoteSession, Client, RemoteSession
from verifier.client.protocol import ServiceError, SessionFacts

__all__ = ["AsyncClient", "AsyncRemoteSession", "Client", "RemoteSession", "ServiceError", "SessionFacts"]
