"""Clips from shots that TransNetV2 finds on the 48x27 stream."""

from importlib.util import find_spec
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clipmill.models.registry import model_named
from clipmill.models.shots.base import AskedPrecision, NetworkBackend, NetworkDevice, ShotNetworkOptions
from clipmill.models.shots.detector import NetworkCutFinder
from clipmill.models.shots.verified import VerifiedCutFinder
from clipmill.stages.base import SPEED, ModelRef, Resources, StageContext
from clipmill.stages.cut_finder import CutFinder
from clipmill.stages.roles import record_of
from clipmill.stages.video.clipping.content_extraction import ContentClipExtractionStage, ShotClipRules


class TransNetV2ClipExtractionStage(ShotClipRules):
    """Shots found by the TransNetV2 network.

    Frames whose transition probability is over ``threshold`` belong to no shot; lower values find more cuts.
    Weights are those of ``revision`` (the pinned one when None), taken from ``model_dir``: a folder or a
    store. ``cascade`` lets the network look only at windows in which the content detector gives a frame at
    least ``cascade_threshold``; everything else counts as no cut. ``backend`` ``auto`` takes OpenVINO on a
    CPU where it is installed, PyTorch otherwise. ``bfloat16`` is faster where there is hardware for it, and
    moves probabilities by about 0.01; ``precision`` ``auto`` takes it there, and looks again in ``float32``
    where a probability is near the threshold. ``batch_windows`` windows of 100 frames go through the network
    at once; None takes one on a CPU. With ``role`` ``verifier`` the content detector finds shots, at its
    defaults, and the network decides about the cuts of which it is not sure; ``cascade`` then has no effect.
    """

    name: ClassVar[str] = "transnetv2"
    version: ClassVar[int] = 4
    environment: ClassVar[str] = "models"

    # Where weights lie changes nothing; which ones they are is said by the revision.
    model_dir: Annotated[str, Field(min_length=1), SPEED] = "models"
    revision: str | None = Field(default=None, min_length=1)
    threshold: float = Field(default=0.4, gt=0, lt=1)
    role: Literal["detector", "verifier"] = "detector"
    cascade: bool = True
    cascade_threshold: float = Field(default=0.02, gt=0, lt=1)
    backend: NetworkBackend = "auto"
    precision: AskedPrecision = "auto"
    device: Annotated[NetworkDevice, SPEED] = "auto"
    batch_windows: Annotated[int | None, Field(ge=1, le=256), SPEED] = None
    gpu_memory_gb: Annotated[float, Field(gt=0), SPEED] = 10

    def models(self) -> tuple[ModelRef, ...]:
        """Returns the network."""
        return (ModelRef(self.name, self.revision or model_named(self.name).revision, self.model_dir),)

    def resources(self) -> Resources:
        """Returns the memory of a GPU that one worker takes, none on a CPU."""
        return Resources(gpu_memory_gb=0 if self.device == "cpu" else self.gpu_memory_gb)

    def check(self, *, num_gpus: float) -> None:
        """See ``Stage``. OpenVINO alone runs the network on a CPU."""
        from clipmill.models.preflight import ModelNeeds, check_models

        needs = ModelNeeds(
            self.name,
            model_named(self.name),
            self.model_dir,
            self.device,
            revision=self.revision,
            libraries=self._libraries,
        )
        check_models(needs, num_gpus=num_gpus)

    @property
    def _libraries(self) -> tuple[str, ...]:
        return ("openvino",) if self.backend == "openvino" else ("torch",)

    @property
    def decides_early(self) -> bool:
        """False: the network runs in the worker, not in the process that decodes."""
        return False

    def network_options(self) -> ShotNetworkOptions:
        """Returns which network looks for cuts, and which of its answers count."""
        return record_of(ShotNetworkOptions, self)

    def is_available(self) -> bool:
        """Returns True where the network can run here: its weights lie in ``model_dir``, and a library."""
        return all(map(find_spec, self._libraries)) and self.has_weights()

    def has_weights(self) -> bool:
        """Returns True where the network's weights lie in ``model_dir``."""
        from clipmill.models.weights.stage_weights import known_of

        return known_of(self.models()[0]) is not None

    def finder(self, context: StageContext | None) -> CutFinder:
        """Returns a finder of cuts for one video; the worker's network is opened once.

        ValueError without a context.
        """
        if context is None:
            raise ValueError(f"{self.name} needs a worker to look for cuts: call finder with its context")
        from clipmill.models.shots.open import open_shot_network

        options = self.network_options()
        network = context.shared(f"shot network {options}", lambda: open_shot_network(options))
        if self.role == "verifier":
            content = ContentClipExtractionStage().detector_options()
            return VerifiedCutFinder(network, content=content, accept=self.threshold)
        return NetworkCutFinder(network, options)
