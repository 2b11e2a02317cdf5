"""A store that speaks the S3 protocol, on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import pytest
from moto.server import ThreadedMotoServer

from clipmill.storage.filesystems import filesystem_of


@contextmanager
def s3_server(bucket: str) -> Iterator[str]:
    """The URL of a server with an empty ``bucket``; the environment names the server meanwhile."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        boto3.client("s3").create_bucket(Bucket=bucket)
        yield f"http://{host}:{port}"
    filesystem_of("s3://").clear_instance_cache()
    server.stop()
