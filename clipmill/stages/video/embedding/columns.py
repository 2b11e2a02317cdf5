"""The columns that every stage of embeddings writes."""

import pyarrow as pa

from clipmill.stages.base import Column

EMBEDDING = Column(
    "embedding", pa.list_(pa.float32()), "unit vector of the clip", table="embeddings", role="embedding"
)
ALGORITHM = Column("embedding_algorithm", pa.string(), "name of the model that embedded the clip")
