"""Conditional writes of object stores, in the words of each protocol."""

from collections.abc import Coroutine
from typing import Protocol, cast
from urllib.parse import quote

from fsspec.asyn import sync

from clipmill.storage.filesystems import filesystem_of

_REFUSED = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})


class _Body(Protocol):
    async def read(self) -> bytes: ...


class _S3(Protocol):
    """What is used of s3fs."""

    loop: object

    def split_path(self, path: str) -> tuple[str, str, str | None]: ...

    def call_s3(self, method: str, **arguments: object) -> dict[str, object]: ...

    def _call_s3(self, method: str, **arguments: object) -> Coroutine[object, object, dict[str, object]]: ...

    def invalidate_cache(self, path: str) -> None: ...


class S3Writes:
    """``If-None-Match: *`` makes an object, ``If-Match`` with its ETag replaces it."""

    def create(self, uri: str, data: bytes) -> bool:
        """Makes an object; False where there is one."""
        return self._put(uri, data, IfNoneMatch="*")

    def replace(self, uri: str, data: bytes, *, if_version: str) -> bool:
        """Replaces an object whose ETag is ``if_version``."""
        try:
            return self._put(uri, data, IfMatch=if_version)
        except FileNotFoundError:
            return False

    def read(self, uri: str) -> tuple[bytes, str]:
        """Reads content and ETag by one request."""
        filesystem = cast(_S3, _filesystem(uri))
        return cast(tuple[bytes, str], sync(filesystem.loop, _get_object, filesystem, uri))

    def _put(self, uri: str, data: bytes, **conditions: str) -> bool:
        filesystem = cast(_S3, _filesystem(uri))
        bucket, key, _ = filesystem.split_path(uri)
        try:
            filesystem.call_s3("put_object", Bucket=bucket, Key=key, Body=data, **conditions)
        except OSError as error:
            if isinstance(error, FileExistsError) or _code(error) in _REFUSED:
                return False
            raise
        filesystem.invalidate_cache(uri)
        return True


async def _get_object(filesystem: _S3, uri: str) -> tuple[bytes, str]:
    bucket, key, _ = filesystem.split_path(uri)
    answer = await filesystem._call_s3("get_object", Bucket=bucket, Key=key)  # pyright: ignore[reportPrivateUsage] s3fs has no other
    return await cast(_Body, answer["Body"]).read(), str(answer["ETag"])


def _code(error: OSError) -> str:
    """The code of the S3 error behind what s3fs made of it."""
    answer = cast(dict[str, dict[str, str]], getattr(error.__cause__, "response", {}))
    return str(answer.get("Error", {}).get("Code", ""))


class _Google(Protocol):
    """What is used of gcsfs."""

    base: str

    def split_path(self, path: str) -> tuple[str, str, str | None]: ...

    def call(self, method: str, path: str, **arguments: object) -> object: ...

    def info(self, path: str) -> dict[str, object]: ...

    def cat_file(self, path: str, **arguments: object) -> bytes: ...

    def invalidate_cache(self, path: str) -> None: ...


class GoogleWrites:
    """``ifGenerationMatch`` 0 makes an object, its generation replaces it."""

    def create(self, uri: str, data: bytes) -> bool:
        """Makes an object; False where there is one."""
        return self._put(uri, data, generation="0")

    def replace(self, uri: str, data: bytes, *, if_version: str) -> bool:
        """Replaces an object whose generation is ``if_version``."""
        return self._put(uri, data, generation=if_version)

    def read(self, uri: str) -> tuple[bytes, str]:
        """Reads the generation, then the content of that generation."""
        filesystem = cast(_Google, _filesystem(uri))
        generation = str(filesystem.info(uri)["generation"])
        return filesystem.cat_file(uri, generation=generation), generation

    def _put(self, uri: str, data: bytes, *, generation: str) -> bool:
        filesystem = cast(_Google, _filesystem(uri))
        bucket, key, _ = filesystem.split_path(uri)
        upload = filesystem.base.replace("/storage/v1/", "/upload/storage/v1/")
        try:
            filesystem.call(
                "POST", f"{upload}b/{quote(bucket)}/o", uploadType="media", name=key,
                ifGenerationMatch=generation, data=data,
                headers={"Content-Type": "application/octet-stream"},
            )  # fmt: skip
        except FileExistsError:  # gcsfs says so of every refused condition
            return False
        filesystem.invalidate_cache(uri)
        return True


class _Azure(Protocol):
    """What is used of adlfs."""

    def info(self, path: str, **arguments: object) -> dict[str, object]: ...

    def cat_file(self, path: str) -> bytes: ...

    def pipe_file(self, path: str, data: bytes, **arguments: object) -> object: ...


class AzureWrites:
    """``If-None-Match: *`` makes a blob, ``If-Match`` with its ETag replaces it."""

    def create(self, uri: str, data: bytes) -> bool:
        """Makes a blob; False where there is one."""
        try:
            cast(_Azure, _filesystem(uri)).pipe_file(uri, data, mode="create")
        except FileExistsError:
            return False
        return True

    def replace(self, uri: str, data: bytes, *, if_version: str) -> bool:
        """Replaces a blob whose ETag is ``if_version``."""
        # The libraries of one store are not there where another one is used.
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError

        filesystem = cast(_Azure, _filesystem(uri))
        unchanged = {"etag": if_version, "match_condition": MatchConditions.IfNotModified}
        try:
            filesystem.pipe_file(uri, data, **unchanged)
        except (ResourceModifiedError, ResourceNotFoundError):
            return False
        return True

    def read(self, uri: str) -> tuple[bytes, str]:
        """Reads until the ETag before and after is the same."""
        filesystem = cast(_Azure, _filesystem(uri))
        while True:
            before = str(filesystem.info(uri, refresh=True)["etag"])
            data = filesystem.cat_file(uri)
            if str(filesystem.info(uri, refresh=True)["etag"]) == before:
                return data, before


def _filesystem(uri: str) -> object:
    return cast(object, filesystem_of(uri))
