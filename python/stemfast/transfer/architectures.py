"""The networks of ``keras.applications`` that serve as backbones, and what each expects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["ARCHITECTURES", "Architecture"]


@dataclass(frozen=True)
class Architecture:
    """One network of ``keras.applications``.

    Attributes
    ----------
    name : str
        What the command line calls it.
    keras_name : str
        Its name in ``keras.applications``.
    side_px : int
        Side of the images it was trained on [px].
    n_features : int
        Length of its last layer's input.
    pixels : str
        How it expects black to white: as ``"-1…1"``; as 0…255 minus each channel's mean, blue
        first (``"bgr"``); or as 0…255, which a layer of its own normalises (``"own"``).
    url, md5 : str
        Its ImageNet weights without the last layer, and their checksum, as Keras publishes them.
    source : str
        Publication.
    """

    name: str
    keras_name: str
    side_px: int
    n_features: int
    pixels: Literal["-1…1", "bgr", "own"]
    url: str
    md5: str
    source: str

    @property
    def weights_file(self) -> str:
        """Name under which Keras keeps the ImageNet weights."""
        return self.url.rpartition("/")[2]

    def build(self, keras: Any) -> Any:
        """The Keras model without its last layer, averaged over the image, weights unset."""
        return getattr(keras.applications, self.keras_name)(
            include_top=False,
            weights=None,
            pooling="avg",
            input_shape=(self.side_px, self.side_px, 3),
        )


_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"

ARCHITECTURES = {
    a.name: a
    for a in (
        Architecture(
            name="inception-v3",
            keras_name="InceptionV3",
            side_px=299,
            n_features=2048,
            pixels="-1…1",
            url=f"{_KERAS}/inception_v3/inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
            md5="bcbd6486424b2319ff4ef7d526e38f63",
            source="Szegedy et al. 2016, doi:10.1109/CVPR.2016.308",
        ),
        Architecture(
            name="resnet50",
            keras_name="ResNet50",
            side_px=224,
            n_features=2048,
            pixels="bgr",
            url=f"{_KERAS}/resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
            md5="4d473c1dd8becc155b73f8504c6f6626",
            source="He et al. 2016, doi:10.1109/CVPR.2016.90",
        ),
        Architecture(
            name="efficientnet-b0",
            keras_name="EfficientNetB0",
            side_px=224,
            n_features=1280,
            pixels="own",
            url="https://storage.googleapis.com/keras-applications/efficientnetb0_notop.h5",
            md5="50bc09e76180e00e4465e1a485ddc09d",
            source="Tan & Le 2019, arXiv:1905.11946",
        ),
    )
}
"""Backbones by the name that the command line gives them."""
