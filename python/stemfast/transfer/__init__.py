"""Transfer learning: retrain the last layer of a trained network, or all, on other images.

Importing this loads JAX; Keras is loaded when a Keras backbone has to compute features.

Examples
--------
>>> from stemfast import transfer
>>> transfer.BACKBONES
('inception-v3', 'resnet50', 'efficientnet-b0')
"""

from stemfast.transfer.architectures import ARCHITECTURES
from stemfast.transfer.backbone import Backbone
from stemfast.transfer.bottleneck import Bottlenecks, Store, default_folder
from stemfast.transfer.choice import backbone
from stemfast.transfer.compare import BackboneComparison, Row, compare
from stemfast.transfer.finetune import FineTuned, fine_tune
from stemfast.transfer.folder import from_folder
from stemfast.transfer.head import DecayTrial, Head, HeadFit, fit_head
from stemfast.transfer.images import Labelled, SplitImages, from_recipe
from stemfast.transfer.model import TransferModel, is_model, load, save
from stemfast.transfer.train import Figures, TransferResult, train

__all__ = [
    "BACKBONES",
    "Backbone",
    "BackboneComparison",
    "Bottlenecks",
    "DecayTrial",
    "Figures",
    "FineTuned",
    "Head",
    "HeadFit",
    "Labelled",
    "Row",
    "SplitImages",
    "Store",
    "TransferModel",
    "TransferResult",
    "backbone",
    "compare",
    "default_folder",
    "fine_tune",
    "fit_head",
    "from_folder",
    "from_recipe",
    "is_model",
    "load",
    "save",
    "train",
]

#: Networks of ``keras.applications`` that serve as backbones.
BACKBONES = tuple(ARCHITECTURES)
