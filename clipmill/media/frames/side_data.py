"""What a decoder attached to a frame, looked at without keeping the frame.

PyAV's ``frame.side_data`` is kept in the frame and refers to it: such a frame, megabytes of pixels, stays
until Python looks for cycles, which it does after so many objects, however large they are.
"""

from av.sidedata.sidedata import SideDataContainer
from av.video.frame import VideoFrame


def side_data(frame: VideoFrame) -> SideDataContainer:
    """The side data of a frame; whoever holds it holds the frame."""
    return SideDataContainer(frame)  # pyright: ignore[reportCallIssue] PyAV's types leave its argument out
