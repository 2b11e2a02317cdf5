"""Semantic deduplication with NeMo Curator's names and parameters."""

from clipmill.stages.deduplication.semantic.identify_duplicates import IdentifyDuplicatesStage
from clipmill.stages.deduplication.semantic.ranking import RankingStrategy
from clipmill.stages.deduplication.semantic.workflow import SemanticDeduplicationWorkflow

__all__ = ["IdentifyDuplicatesStage", "RankingStrategy", "SemanticDeduplicationWorkflow"]
