"""A model answers requests: what is known comes from the cache, the rest from a server or this process."""

from profiler.endpoints import adapter, answer_reader, fingerprint
from profiler.endpoints.answer_reader import AnswerReader, ScoringMethod, read_letter
from profiler.endpoints.cache import Cache
from profiler.endpoints.client import Client, connect
from profiler.endpoints.collector import held_off
from profiler.endpoints.engine import Call, SampleCall, ScoreCall, Value
from profiler.endpoints.local.engine import LocalEngine, digest, find, here
from profiler.endpoints.openai.discovery import COMPLETIONS, Dialect
from profiler.endpoints.openai.engine import OpenAIEngine
from profiler.endpoints.openai.reply import ReplyChoice, ServerReply
from profiler.endpoints.openai.transport import Body, RetryLimits, Transport
from profiler.endpoints.openai.users_client import through
from profiler.endpoints.requests import LETTERS, Answer, Choose, Embed, Generate, Request, Weigh, headings, lettered
from profiler.endpoints.vllm.server import Server, ServerPlan, SharedServer

__all__ = [
    "COMPLETIONS",
    "LETTERS",
    "Answer",
    "AnswerReader",
    "Body",
    "Cache",
    "Call",
    "Choose",
    "Client",
    "Dialect",
    "Embed",
    "Generate",
    "LocalEngine",
    "OpenAIEngine",
    "ReplyChoice",
    "Request",
    "RetryLimits",
    "SampleCall",
    "ScoreCall",
    "ScoringMethod",
    "Server",
    "ServerPlan",
    "ServerReply",
    "SharedServer",
    "Transport",
    "Value",
    "Weigh",
    "adapter",
    "answer_reader",
    "connect",
    "digest",
    "find",
    "fingerprint",
    "headings",
    "held_off",
    "here",
    "lettered",
    "read_letter",
    "through",
]
