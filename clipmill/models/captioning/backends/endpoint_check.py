"""Whether an endpoint is there, knows its model and takes the key; asked before any video is decoded."""

from dataclasses import replace

from pydantic import JsonValue

from clipmill.errors import ModelUnavailable
from clipmill.models.captioning.backends.http_client import Endpoint, Refused, endpoint_of
from clipmill.models.captioning.options import EndpointOptions

_TIMEOUT_S = 10.0
_HAS_NO_LIST = ("HTTP 404", "HTTP 405", "HTTP 501")


def check_endpoint(options: EndpointOptions) -> None:
    """ModelUnavailable unless the endpoint answers and, where it lists its models, lists this one."""
    endpoint = endpoint_of(options)
    try:
        listed = _ids(_listed(endpoint))
    except Refused as error:
        if not str(error).startswith(_HAS_NO_LIST):
            raise ModelUnavailable(endpoint.model, endpoint.url, str(error), _remedy(str(error))) from error
        return
    if listed and endpoint.model not in listed:
        known = ", ".join(sorted(listed)[:5])
        raise ModelUnavailable(
            endpoint.model, endpoint.url, f"it serves {known}", "name one of them in endpoint_model"
        )


def is_there(endpoint: Endpoint) -> bool:
    """Whether a server still answers there, be it with a refusal."""
    try:
        _listed(endpoint)
    except Refused as error:
        return error.is_final
    return True


def _listed(endpoint: Endpoint) -> JsonValue:
    return replace(endpoint, timeout_s=min(_TIMEOUT_S, endpoint.timeout_s)).models()


def _remedy(cause: str) -> str:
    if cause.startswith(("HTTP 401", "HTTP 403")):
        return "say in endpoint_key_variable which environment variable holds its key"
    return "start the server, or correct endpoint_url"


def _ids(answer: JsonValue) -> set[str]:
    data = answer.get("data") if isinstance(answer, dict) else None
    records = [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []
    return {str(one.get("id")) for one in records}
