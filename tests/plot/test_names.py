"""Names of models as people write them."""

import pytest
import stored

from brainbench.plot import display_name, display_names
from brainbench.plot.selection import labels_of


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("cornet_s@imagenet", "CORnet-S"),
        ("cornet_rt@untrained-0", "CORnet-RT (untrained)"),
        ("cornet_s@untrained-3", "CORnet-S (untrained, seed 3)"),
        ("efficientnet_lite0@imagenet", "EfficientNet-Lite0"),
        ("efficientnet_lite0@imagenet+bf16", "EfficientNet-Lite0 (bf16)"),
        ("timm:resnet18.a1_in1k@imagenet", "ResNet-18"),
        ("torchvision:vgg16_bn", "VGG-16, BN"),
        ("timm:vit_base_patch16_224", "ViT-B/16"),
        ("torchvision:densenet121@untrained-0", "DenseNet-121 (untrained)"),
        ("convrnn_rgc_shallow@untrained-0", "ConvRNN RGC, shallow (untrained)"),
        ("pixels", "Pixels"),
        ("my_net@file-1a2b", "my_net (file-1a2b)"),
        ("CORnet-S", "CORnet-S"),
        ("net$x_1$", "net$x_1$"),
    ],
)
def test_names(model, expected):
    assert display_name(model) == expected


def test_names_that_would_be_alike_stay_as_they_are():
    names = display_names(["timm:resnet18", "torchvision:resnet18", "pixels", "pixels"])
    assert names == {
        "timm:resnet18": "timm:resnet18",
        "torchvision:resnet18": "torchvision:resnet18",
        "pixels": "Pixels",
    }


def test_a_long_name_leaves_room_for_a_figure():
    names = display_names(["a" + "x" * 80, "b" + "x" * 80])
    assert [len(name) for name in names.values()] == [40, 40]
    assert [name[0] for name in names.values()] == ["a", "b"]
    alike = [
        stored.make("x" * 80 + f"{k}" + "x" * 20, "Study.a", 0.1, digest=f"{k}" * 9) for k in "12"
    ]
    assert len(set(labels_of(alike))) == 2
