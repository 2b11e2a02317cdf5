"""Mirror weights once: ``pyflyte run workflows/models.py fetch --names '["siglip2"]' --store s3://weights``."""

from flytekit import workflow

from tasks.models import fetch_models


@workflow
def fetch(names: list[str], store: str, model_dir: str = "") -> list[str]:
    """Copy the weights of models to a store, whence every task loads them with ``model_dir``.

    :param names: models of the table in docs/models.md
    :param store: folder or URI; what is there already is not copied again
    :param model_dir: folder or URI that holds them already; empty: the model hub
    """
    return fetch_models(names=names, store=store, model_dir=model_dir)
