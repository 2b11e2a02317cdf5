"""Lets the published torchvision, which is built for GPUs, be imported beside torch for processors.

Every process of the engine reads this at its start. torchvision describes operators that its compiled part
would have declared; declared here, without a body, they are never called: pictures are resized by torch.
"""

import importlib.util


def _parameters(names: str, kind: str) -> str:
    return ", ".join(f"{kind} {name}" for name in names.split())


def _pooling(name: str, extra: str) -> list[str]:
    """A pooling operator and its gradient: with two outputs of each where places are remembered."""
    tensors, sizes = _parameters("input rois", "Tensor"), _parameters("pooled_height pooled_width", "SymInt")
    remembers = name != "roi_align"
    places = {"roi_pool": "argmax", "ps_roi_align": "channel_mapping", "ps_roi_pool": "channel_mapping"}
    back = [_parameters("grad rois", "Tensor")]
    back += [f"Tensor {places[name]}"] if remembers else []
    back += ["float spatial_scale", sizes]
    if name == "ps_roi_align":
        back.append("int sampling_ratio")
    back.append(_parameters("batch_size channels height width", "SymInt"))
    if name == "roi_align":
        back.append("int sampling_ratio, bool aligned")
    given = f"{tensors}, float spatial_scale, {sizes}{extra}"
    returned = "(Tensor, Tensor)" if remembers else "Tensor"
    return [f"{name}({given}) -> {returned}", f"_{name}_backward({', '.join(back)}) -> Tensor"]


def _convolution() -> list[str]:
    """The deformable convolution and its gradient."""
    tensors = _parameters("input weight offset mask bias", "Tensor")
    numbers = _parameters(
        "stride_h stride_w pad_h pad_w dilation_h dilation_w groups offset_groups", "SymInt"
    )
    five = ", ".join(["Tensor"] * 5)
    return [
        f"deform_conv2d({tensors}, {numbers}, bool use_mask) -> Tensor",
        f"_deform_conv2d_backward(Tensor grad, {tensors}, {numbers}, bool use_mask) -> ({five})",
    ]


def _declare() -> None:
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    extras = {
        "roi_align": ", int sampling_ratio, bool aligned", "roi_pool": "",
        "ps_roi_align": ", int sampling_ratio", "ps_roi_pool": "",
    }  # fmt: skip
    for name, extra in extras.items():
        for schema in _pooling(name, extra):
            library.define(schema)
    for schema in _convolution():
        library.define(schema)
    globals()["_kept"] = library  # what a library declares ends with it


if importlib.util.find_spec("torch"):
    _declare()
