"""An ONNX file as a model: responses equal to torch, every output a layer, errors."""

import json
import re
import sys

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from pictures import noise_pictures

from brainbench.api import score
from brainbench.cli.main import run
from brainbench.core.errors import ActivationError, InputError, UnknownNameError
from brainbench.models.preprocessing import Preprocess
from brainbench.models.structure import depth_of
from brainbench.models.wrap import wrap
from brainbench.run.loading import load_model
from brainbench_models.onnx_file import OnnxNetwork, onnx_network

SIZE = 12
PLAIN = Preprocess(name="plain", size=(SIZE, SIZE))


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(3)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(4, 5, 3),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(5 * 4 * 4, 7),
    ).eval()


def weight(name, tensor):
    return numpy_helper.from_array(tensor.detach().numpy(), name)


def graph_of(net, *, shape=("n", 3, SIZE, SIZE), kind=TensorProto.FLOAT, inputs=("image",)):
    """The same network as nodes of ONNX, with other names."""
    given = [helper.make_tensor_value_info(name, kind, shape) for name in inputs]
    transposed, image = [], "image"
    if shape[-1] == 3:
        transposed = [helper.make_node("Transpose", ["image"], ["first"], perm=[0, 3, 1, 2])]
        image = "first"
    nodes = [
        *transposed,
        helper.make_node("Conv", [image, "w1", "b1"], ["conv1"], strides=[2, 2], pads=[1] * 4),
        helper.make_node("Relu", ["conv1"], ["relu1"]),
        helper.make_node("Conv", ["relu1", "w2", "b2"], ["conv2"]),
        helper.make_node("Relu", ["conv2"], ["relu2"]),
        helper.make_node("Flatten", ["relu2"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w3", "b3"], ["logits"], transB=1),
        helper.make_node("ReduceMean", ["flat"], ["mean"], keepdims=0),
    ]
    weights = [
        weight(f"{letter}{k}", getattr(net[place], word))
        for k, place in ((1, 0), (2, 2), (3, 5))
        for letter, word in (("w", "weight"), ("b", "bias"))
    ]
    out = [helper.make_tensor_value_info("logits", kind, (shape[0], 7))]
    graph = helper.make_graph(nodes, "tiny", given, out, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture
def path(net, tmp_path):
    onnx.save(graph_of(net), tmp_path / "tiny.onnx")
    return tmp_path / "tiny.onnx"


@pytest.fixture
def pictures():
    return noise_pictures(5, 20)


SAME = {"conv1": "0", "relu1": "1", "conv2": "2", "relu2": "3", "flat": "4", "logits": "5"}


def test_every_layer_is_that_of_torch(net, path, pictures, session_cache):
    model = onnx_network(path, preprocess=PLAIN)
    twin = wrap(net, layers=list(SAME.values()), preprocess=PLAIN, name="twin")
    activations = model.activations(pictures, list(SAME))
    expected = twin.activations(pictures, list(SAME.values()))
    for name, layer in SAME.items():
        np.testing.assert_allclose(activations[name], expected[layer], rtol=1e-5, atol=1e-6)
    assert dict(activations["conv2"].coords)["channel"].values.max() == 4  # 5 channels with places


@pytest.mark.parametrize(
    ("shape", "batch_size"),
    [
        ((1, 3, SIZE, SIZE), 3),
        ((2, 3, SIZE, SIZE), 5),
        ((8, 3, SIZE, SIZE), 5),
        (("n", SIZE, SIZE, 3), 5),
    ],
)
def test_fixed_batches_and_channels_last(
    shape, batch_size, net, path, pictures, tmp_path, session_cache
):
    other = tmp_path / "other.onnx"
    onnx.save(graph_of(net, shape=shape), other)
    expected = onnx_network(path).activations(pictures, ["relu2"])["relu2"].values
    model = onnx_network(other).on(batch_size=batch_size)
    values = model.activations(pictures, ["relu2"])["relu2"].values
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)


def test_parameters_and_depth_are_those_of_torch(net, path):
    about = onnx_network(path).about
    assert about.parameters == sum(p.numel() for p in net.parameters())
    assert about.depth == depth_of(wrap(net, layers=["0"], preprocess=PLAIN)) == 3


def test_what_counts_as_parameter_and_as_depth(path, tmp_path):
    """Statistics, sizes, single numbers, integers and products of two responses do not count."""
    model = onnx.load(path)
    stored = {
        "scale": np.ones(7), "shift": np.ones(7), "average": np.ones(7), "var": np.ones(7),
        "one": np.array(1.0), "square": np.ones((7, 7)), "sizes": np.array([1, -1]),
    }  # fmt: skip
    model.graph.initializer.extend(
        numpy_helper.from_array(v.astype(np.int64 if k == "sizes" else np.float32), k)
        for k, v in stored.items()
    )
    model.graph.node.extend(
        [
            helper.make_node(
                "BatchNormalization", ["logits", "scale", "shift", "average", "var"], ["bn"]
            ),
            helper.make_node("Add", ["bn", "one"], ["more"]),
            helper.make_node("Transpose", ["square"], ["turned"]),  # still a weight
            helper.make_node("MatMul", ["more", "turned"], ["longer"]),
            helper.make_node("Transpose", ["longer"], ["columns"]),
            helper.make_node("MatMul", ["longer", "columns"], ["products"]),
            helper.make_node("Gemm", ["bn", "square"], ["shorter"]),
        ]
    )
    model.graph.output.append(
        helper.make_tensor_value_info("products", TensorProto.FLOAT, ("n", "n"))
    )
    onnx.save(model, tmp_path / "longer.onnx")
    network, plain = OnnxNetwork(tmp_path / "longer.onnx"), OnnxNetwork(path)
    assert network.parameters == plain.parameters + 2 * 7 + 49
    assert network.depth == plain.depth + 1


def test_show_says_both(path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["brainbench", "show", str(path), "--json"])
    with pytest.raises(SystemExit):
        run()
    facts = json.loads(capsys.readouterr().out)
    assert (facts["parameters"], facts["depth"]) == (864, 3)
    assert facts["source"] == f"file {path}"
    regions = ["V1", "V2", "V4", "IT"]
    assert {"name": "relu1", "shape": [4, 6, 6], "steps": 1, "regions": regions} in facts["layers"]


def identity(kind=TensorProto.FLOAT, shape=("n", 3, 4, 4), inputs=("image",), outputs=("twice",)):
    given = [helper.make_tensor_value_info(name, kind, shape) for name in inputs]
    nodes = [helper.make_node("Add", [inputs[0], inputs[-1]], ["twice"])]
    nodes += [helper.make_node("ReduceMax", ["twice"], ["peak"], keepdims=0)]
    out = [helper.make_tensor_value_info(name, kind, shape) for name in outputs]
    graph = helper.make_graph(nodes, "identity", given, out)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def test_half_precision(tmp_path, pictures, session_cache):
    onnx.save(identity(TensorProto.FLOAT16), tmp_path / "half.onnx")
    model = onnx_network(tmp_path / "half.onnx", preprocess="plain")
    values = model.activations(pictures, ["twice"])["twice"].values[:, :, 0]
    images = model.preprocess([pictures.picture(k) for k in range(5)])
    np.testing.assert_array_equal(values, 2 * images.astype(np.float16).reshape(5, -1))


def test_areas_name_and_preprocessing(path):
    model = onnx_network(path, behavior="flat")
    assert model.areas["V1"] == model.areas["IT"] == ("relu1", "relu2")
    assert model.areas["behavior"] == ("flat",)
    assert model.preprocess.size == (SIZE, SIZE)
    assert model.static
    digits = model.weights.removeprefix("file-")
    assert model.name == f"tiny@file-{digits}"
    assert len(digits) == 12
    assert onnx_network(path, layers=["conv2"]).areas["V4"] == ("conv2",)
    assert onnx_network(path, preprocess="symmetric").preprocess.mean == (0.5, 0.5, 0.5)


def test_without_nonlinearities_every_output_is_offered(tmp_path):
    onnx.save(identity(), tmp_path / "plain.onnx")
    assert onnx_network(tmp_path / "plain.onnx").areas["IT"] == ("twice", "peak")


def test_the_digest_is_over_the_files(net, path, tmp_path):
    digest = onnx_network(path).digest
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(path.read_bytes())
    assert onnx_network(copy).digest == digest
    model = graph_of(net)
    changed = numpy_helper.to_array(model.graph.initializer[0]).copy()
    changed[0] += 1e-3
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(changed, "w1"))
    onnx.save(model, copy)
    assert onnx_network(copy).digest != digest


def test_weights_beside_the_file_are_read_and_digested(
    net, path, tmp_path, pictures, session_cache
):
    beside = tmp_path / "beside.onnx"
    onnx.save(graph_of(net), beside, save_as_external_data=True, location="w.bin", size_threshold=0)
    network = OnnxNetwork(beside)
    assert [file.name for file in network.files] == ["beside.onnx", "w.bin"]
    values = onnx_network(beside).activations(pictures, ["logits"])["logits"].values
    expected = onnx_network(path).activations(pictures, ["logits"])["logits"].values
    np.testing.assert_array_equal(values, expected)
    before = network.digest("x", None)
    data = bytearray((tmp_path / "w.bin").read_bytes())
    data[0] ^= 1
    (tmp_path / "w.bin").write_bytes(data)
    assert OnnxNetwork(beside).digest("x", None) != before


def test_it_is_found_by_its_path_and_scored(path, tmp_path, plugin, session_cache):
    assert load_model(str(path), preprocess="plain").preprocess.mean == (0.0, 0.0, 0.0)
    at = tmp_path / "me@home"
    at.mkdir()
    (at / "tiny.onnx").write_bytes(path.read_bytes())
    assert load_model(str(at / "tiny.onnx")).name == load_model(str(path)).name
    scores = score(
        f"{path},pixels",
        "Fake.IT-pls",
        layers={"IT": "relu2"},
        results=tmp_path / "r",
        errors="ignore",
    )
    assert [each.model.partition("@")[0] for each in scores] == ["tiny", "pixels"]
    assert next(iter(scores)).selection.layer == "relu2"


def test_a_layer_that_does_not_exist(path):
    model = onnx_network(path)
    with pytest.raises(UnknownNameError, match="'relu3'") as caught:
        model.network.check("relu3")
    assert "relu2, relu1" in caught.value.allowed
    assert "tiny.onnx" in caught.value.todo
    with pytest.raises(UnknownNameError, match="'fc'") as caught:
        onnx_network(path, layers=["fc"])
    assert caught.value.allowed == "conv1, conv2, flat, logits, mean, relu1, relu2"


def test_an_output_without_rows_per_picture(path, tmp_path, pictures, session_cache):
    onnx.save(identity(), tmp_path / "plain.onnx")
    with pytest.raises(ActivationError, match="'peak'"):
        onnx_network(tmp_path / "plain.onnx").activations(pictures, ["peak"])


def test_other_preprocessing(path):
    with pytest.raises(UnknownNameError, match="'imagenett'") as caught:
        onnx_network(path, preprocess="imagenett")
    assert "imagenet" in caught.value.allowed


@pytest.mark.parametrize("content", [None, b"", b"no protobuf at all", b"\x08\x09"])
def test_a_file_that_is_absent_or_not_onnx(content, tmp_path):
    broken = tmp_path / "net.onnx"
    if content is not None:
        broken.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(broken))) as caught:
        load_model(str(broken))
    assert ("ONNX" in caught.value.got) == (content is not None)


def test_a_truncated_file(path):
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=re.escape(str(path))):
        onnx_network(path)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"shape": ("n", 3, 4)}, "image tensor(float) ['n', 3, 4]"),
        ({"shape": ("n", 1, 4, 4)}, "image tensor(float) ['n', 1, 4, 4]"),
        ({"kind": TensorProto.INT32}, "image tensor(int32) ['n', 3, 4, 4]"),
        ({"inputs": ("a", "b")}, "a tensor(float) ['n', 3, 4, 4], b tensor(float) ['n', 3, 4, 4]"),
    ],
)
def test_an_input_that_is_not_a_batch_of_pictures(options, named, tmp_path):
    onnx.save(identity(**options), tmp_path / "odd.onnx")
    with pytest.raises(InputError, match=re.escape(named)):
        onnx_network(tmp_path / "odd.onnx")


def test_operators_that_do_not_run(tmp_path):
    model = identity()
    model.graph.node[0].domain = "somebody.else"
    model.opset_import.append(helper.make_opsetid("somebody.else", 1))
    onnx.save(model, tmp_path / "odd.onnx")
    with pytest.raises(InputError, match=r"odd\.onnx"):
        onnx_network(tmp_path / "odd.onnx")


@pytest.mark.parametrize("absent", ["onnx", "onnxruntime"])
def test_without_the_extra_the_error_names_it(absent, path, monkeypatch):
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(InputError, match=absent) as caught:
        onnx_network(path)
    assert caught.value.todo == "pip install 'brainbench[onnx]'"
