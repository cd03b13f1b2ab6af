"""`Model`: a network together with its normalisation, input size and class names."""

from __future__ import annotations

import copy
import inspect
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, Literal, SupportsIndex, get_args

import torch
from torch import Tensor, nn

from rdexplain.errors import ModelError, OptionError, RDExplainError, one_line, unknown
from rdexplain.models.activation import (
    Activation,
    Meaning,
    is_probabilities,
    is_single,
    meaning_of,
    outside,
    probes,
    two_classes,
)
from rdexplain.models.classes import ClassIndex, ClassName, as_class_names
from rdexplain.models.detectors import as_detector, is_torchvision_detector
from rdexplain.models.inference import outside_inference
from rdexplain.models.outputs import ShapeError, check_axis, join, scores_of

Kind = Literal["classification", "segmentation", "detection"]
Triple = tuple[float, float, float]


class Model:
    """A network that takes images in [0, 1].

    Args:
        network: an ``nn.Module`` or any differentiable callable; a module from `torch.compile` is replaced by its
            original. One made in ``torch.inference_mode()`` is copied, since its tensors cannot take part in autograd.
        name: what it is called in results; by default the name of its class or function.
        mean, std: the normalisation, a number or one number per channel (R, G, B), in units of [0, 1] images.
            Both None is no normalisation; one of them None is a mean of 0 or a standard deviation of 1.
        input_size: the side, in pixels, of the square images it prefers.
        fixed_size: whether it takes images of that size only.
        classes: the class names in index order.
        activation: turns the output into probabilities: "softmax" (exclusive classes), "sigmoid" (independent labels),
            "none" (it is probabilities already) or "auto" (found by `resolve`), in upper or lower case. An output of
            one number, (n,) or (n, 1), stands for two classes, "no" and "yes"; the probability of "yes" is its sigmoid,
            or itself.
        weights: where the weights come from, for provenance: "IMAGENET1K_V1", "random", a file, ...
        task: "classification" (n, classes), "segmentation" (n, classes, h, w) or "detection" (`RawDetections`); decides
            what is explained by default.
        batch_size: the fixed batch size of a network that takes no other, such as a traced or exported one.

    Raises:
        OptionError: an invalid mean, standard deviation, size or activation.
        ModelError: a network made in inference mode that cannot be copied.
    """

    def __init__(
        self,
        network: Callable[..., Any],
        *,
        name: str | None = None,
        mean: float | Iterable[float] | None = None,
        std: float | Iterable[float] | None = None,
        input_size: int | None = None,
        fixed_size: bool = False,
        classes: Iterable[str | ClassName] | None = None,
        activation: Activation = "auto",
        weights: str | None = None,
        task: Kind = "classification",
        batch_size: int | None = None,
    ) -> None:
        if task not in get_args(Kind):
            raise OptionError(f"task is one of {', '.join(get_args(Kind))}, not {task!r}")
        wanted = next((one for one in get_args(Activation) if one == str(activation).lower()), None)
        if wanted is None:
            raise OptionError(unknown("activation", str(activation), get_args(Activation)))
        if input_size is not None and (input_size != int(input_size) or input_size < 1):
            raise OptionError(f"input_size is a whole number of pixels, not {input_size!r}")
        network = uncompiled(network)
        self.name = name or getattr(network, "__name__", None) or type(network).__name__
        self.network = outside_inference(network, self.name)
        self.mean: Triple | None
        self.std: Triple | None
        self.mean, self.std = _normalisation(mean, std)
        self.input_size = input_size
        self.fixed_size = fixed_size
        self.classes = None if classes is None else as_class_names(classes)
        self.activation: Activation = wanted
        self._meaning: Meaning | None = None
        self.weights = weights
        self.task: Kind = task
        self.batch_size = batch_size
        self._constants: dict[tuple[torch.device, torch.dtype], tuple[Tensor, Tensor]] = {}

    def __call__(self, images: Tensor, *args: Any) -> Any:
        """``network((images - mean) / std, *args)`` in the network's own floating-point type, differentiable.

        Where the output is no tensor, the scores in it are returned (`outputs.scores_of`).

        Args:
            images: (n, 3, h, w), floating point, in [0, 1].
            args: passed on to the network.

        Raises:
            ModelError: images of another size than the network's fixed one, or that cannot be normalised; an output
                without a batch axis.
        """
        if self.fixed_size and self.input_size is not None:
            size = tuple(images.shape[-2:])
            if size != (self.input_size, self.input_size):
                needed = f"{self.input_size} x {self.input_size}"
                raise ModelError(f"{self.name} takes images of {needed} pixels only, not {' x '.join(map(str, size))}")
        given, tensor = images, self._first_tensor(floating=True)
        images = self.normalised(images)
        images = images if tensor is None else images.to(tensor.dtype)
        # A network may change its input in place, and these images are the caller's.
        images = images.clone() if images is given else images
        if self.batch_size is None:
            return self._scores(images, *args)
        parts = [self._padded(part, *args) for part in images.split(self.batch_size)]
        return join(parts)

    def _padded(self, images: Tensor, *args: Any) -> Any:
        """The output for at most `batch_size` images, which are padded to exactly that number for the network."""
        count, size = len(images), self.batch_size or len(images)
        if count < size:
            images = torch.cat((images, images[-1:].expand(size - count, *images.shape[1:])))
        return self._scores(images, *args)[:count]

    def _scores(self, images: Tensor, *args: Any) -> Any:
        """The scores for normalised images; ShapeError where the output is a scalar."""
        output = scores_of(self.network(images, *args))
        if isinstance(output, Tensor) and output.ndim == 0:
            check_axis(output.shape, len(images))
        return output

    def normalised(self, images: Tensor) -> Tensor:
        """``(images - mean) / std`` per channel, or the images themselves without normalisation."""
        if self.mean is None or self.std is None:
            return images
        # Unchecked, grey images would broadcast to three channels, and bytes would round the mean to 0.
        one = len(set(zip(self.mean, self.std, strict=True))) == 1  # for all channels, however many there are
        if images.ndim != 4 or (images.shape[1] != 3 and not one) or not images.is_floating_point():
            got = f"{tuple(images.shape)} of {str(images.dtype).removeprefix('torch.')}"
            raise ModelError(f"{self.name} takes (n, 3, h, w) images of floats in [0, 1], not {got}")
        key = (images.device, images.dtype)
        if key not in self._constants:
            # A tensor made in inference mode could not be saved for a later backward pass.
            with torch.inference_mode(False):
                self._constants[key] = tuple(  # type: ignore[assignment]
                    torch.tensor(values, device=images.device, dtype=images.dtype).view(1, 3, 1, 1)
                    for values in (self.mean, self.std)
                )
        mean, std = self._constants[key]
        if images.shape[1] != 3:
            mean, std = mean[:, :1], std[:, :1]
        return (images - mean) / std

    def resolve(self, image: Tensor, *args: Any, clean: Any = None) -> Meaning:
        """Find out, on the first call, what the output means: logits of a softmax or of sigmoids, or probabilities.

        The operation that made the output decides (a softmax, a sigmoid, a linear layer), or else its range on a few
        test images (`activation.probes`): a logit may lie in [0, 1] for one of them, but hardly for all. The test
        images do not depend on the photos, so that a photo gets the same result alone as in a batch.

        Args:
            image: (1, 3, h, w), noise in [0, 1]. The network must be in eval mode, see `frozen`.
            args: the network's further arguments for it.
            clean: the network's output for photos, if known: values outside [0, 1] show that it is not probabilities,
                which saves running the network again.

        Warns:
            RuntimeWarning: values in [0, 1] may be logits or probabilities; or a softmax or sigmoid is to be applied to
                probabilities.
        """
        if self._meaning is None:
            self._meaning = self._found_meaning(image, args, clean)
        return self._meaning

    def _found_meaning(self, image: Tensor, args: Sequence[Any], clean: Any) -> Meaning:
        said = self.activation in ("softmax", "sigmoid")
        if self.task == "detection":
            return self._default
        if said and isinstance(clean, Tensor) and outside(clean) is not None:
            return meaning_of(self.activation, clean)
        try:
            with torch.inference_mode(False), torch.enable_grad():
                for probe in probes(image):
                    output = self(probe.requires_grad_(), *args)
                    found = meaning_of(self.activation, output)
                    if found.certain:
                        break
                already = said and is_probabilities(output)
        except ShapeError:  # raised at once: with several images the wrong shape need not show
            raise
        except Exception:  # the network's own error is raised where it is used, not here
            return self._default
        if already:
            warnings.warn(
                f"{self.name} gives probabilities already, and a {self.activation} of them squashes them: leave out "
                "`activation`, or say none",
                RuntimeWarning,
                stacklevel=2,
            )
        if said:
            return found
        if not found.certain:
            one = "is a probability or a logit" if is_single(output) else "are probabilities of labels or logits"
            warnings.warn(
                f"it cannot be told whether the output of {self.name}, from 0 to 1, {one}: it is taken for "
                "probabilities; `activation` softmax, sigmoid or none says what it is",
                RuntimeWarning,
                stacklevel=2,
            )
        return found

    @property
    def _default(self) -> Meaning:
        """The meaning that is assumed until `resolve` has run."""
        return Meaning("softmax" if self.activation == "auto" else self.activation, self.activation != "sigmoid")

    @property
    def meaning(self) -> Meaning:
        """The meaning that `resolve` has found, or the assumed one before."""
        return self._meaning or self._default

    def check_probabilities(self, output: Tensor) -> None:
        """Check an output that is used as probabilities, and the one for noise that `resolve` has seen.

        Raises:
            ModelError: numbers outside [0, 1] by more than rounding.
        """
        if self.meaning.activation != "none":
            return
        for beyond, where in ((outside(output.detach()), ""), (self.meaning.outside, " for noise")):
            if beyond is not None:
                raise ModelError(
                    f"{self.name} gives numbers from {beyond[0]:.4g} to {beyond[1]:.4g}{where}, which are no "
                    "probabilities: say `activation` softmax or sigmoid"
                    + (", or leave it out" if self.activation == "none" else "")
                )

    def scores(self, output: Tensor) -> Tensor:
        """The output with at least two classes, (n, classes, ...); a larger score is a likelier class."""
        return two_classes(output, self.meaning) if is_single(output) else output

    def probabilities(self, output: Tensor) -> Tensor:
        """Class probabilities (n, classes, ...) of an output; those of independent labels need not sum to 1."""
        if self.meaning.activation == "none":
            return self.scores(output)
        # A softmax in half precision would lose small probabilities.
        dtype = torch.promote_types(output.dtype, torch.float32)
        if self.meaning.activation == "sigmoid" and not is_single(output):
            return output.to(dtype).sigmoid()
        return self.scores(output.to(dtype)).softmax(dim=1)

    def logits(self, output: Tensor) -> Tensor:
        """Class logits (n, classes, ...): the output itself, or computed from its probabilities p, at least 1e-12 each.

        For exclusive classes log(p), which is the logits up to a constant per image; else log(p / (1 - p)).
        """
        if self.meaning.activation != "none":
            return self.scores(output)
        least = 1e-12
        if self.meaning.exclusive and not is_single(output):
            return output.clamp_min(least).log()
        odds = output.clamp_min(least).log() - (1 - output).clamp_min(least).log()
        return two_classes(odds, Meaning("sigmoid")) if is_single(output) else odds

    def find_class(self, query: str | SupportsIndex) -> int:
        """The index of a class.

        Args:
            query: an index (``281`` or ``"281"``), a WordNet id (``"n02123045"``) or a name, which is ``"class 281"``
                where the model has no names. Case does not matter in names, and blanks, ``_`` and ``-`` are the same.
                The class name and the first WordNet lemma are looked up first, then any other lemma.

        Raises:
            TargetError: the model has no such class, or the name fits several.
        """
        return self._index.find(query)

    def class_name(self, index: SupportsIndex) -> str:
        """The name of a class, or ``class 17`` where it has none."""
        position = index.__index__()
        if self.classes is not None and 0 <= position < len(self.classes):
            return self.classes[position].name
        return f"class {position}"

    @cached_property
    def _index(self) -> ClassIndex:
        return ClassIndex(self.classes)

    @property
    def device(self) -> torch.device:
        """Where the network's first parameter or buffer is; the CPU for a network without one."""
        tensor = self._first_tensor()
        return torch.device("cpu") if tensor is None else tensor.device

    @property
    def dtype(self) -> torch.dtype:
        """The type of the network's first floating-point parameter or buffer; float32 without one."""
        tensor = self._first_tensor(floating=True)
        return torch.float32 if tensor is None else tensor.dtype

    def _first_tensor(self, floating: bool = False) -> Tensor | None:
        if not isinstance(self.network, nn.Module):
            return None
        tensors: Iterable[Tensor] = chain(self.network.parameters(), self.network.buffers())
        return next((tensor for tensor in tensors if tensor.is_floating_point() or not floating), None)

    def placed(self, images: Tensor) -> Tensor:
        """Images on the network's device. One without tensors, such as a function, takes them where they are: it may
        call a network that is known to it alone."""
        return images if self._first_tensor() is None else images.to(self.device)

    def on(self, device: str | torch.device) -> Model:
        """This model if it is on the device (or has nothing to move), else a private copy there.

        The network itself is never moved.

        Raises:
            OptionError: no such device.
            ModelError: the network cannot be copied.
            RDExplainError: the device has no memory left, which says nothing about the network.
        """
        wanted = check_device(device)
        if self._first_tensor() is None or self.device == wanted:
            return self
        try:
            network = copy.deepcopy(self.network).to(wanted)  # type: ignore[attr-defined]
        except (RuntimeError, TypeError, AssertionError) as error:
            reason = one_line(error)
            if "out of memory" in reason:
                raise RDExplainError(
                    f"{wanted} has no memory left for {self.name}: end what else runs there, or choose another device"
                ) from error
            raise ModelError(f"{self.name} cannot be copied to {wanted}: {reason}") from error
        return self.with_network(network)

    def with_options(self, **changes: Any) -> Model:
        """A model of the same network with other options: any keyword of the constructor."""
        return self.with_network(self.network, **changes)

    def with_network(self, network: Callable[..., Any], **changes: Any) -> Model:
        """A model of another network with these options, or with other ones: any keyword of the constructor."""
        unknown = changes.keys() - _OPTIONS
        if unknown:
            raise TypeError(f"a Model has no option {', '.join(sorted(unknown))}")
        return Model(network, **{**self._options(), **changes})

    def with_twin(self, network: Callable[..., Any]) -> Model:
        """A model of an equivalent network, for which the meaning that `resolve` found here holds too."""
        twin = self.with_network(network)
        twin._meaning = self._meaning
        return twin

    def _options(self) -> dict[str, Any]:
        return {option: getattr(self, option) for option in _OPTIONS}

    def record(self) -> dict[str, Any]:
        """Where the weights come from, the normalisation and the activation, ready for JSON."""
        mean, std = (None if values is None else list(values) for values in (self.mean, self.std))
        activation = self.activation if self._meaning is None else self._meaning.activation
        return {"weights": self.weights, "mean": mean, "std": std, "activation": activation}

    def __repr__(self) -> str:
        size = "any size" if self.input_size is None else f"{self.input_size} px{' only' if self.fixed_size else ''}"
        shown = [repr(self.name), size, str(self.device), f"activation {self.activation}"]
        if self.weights is not None:
            shown.insert(1, "random weights" if self.weights == "random" else f"weights {self.weights}")
        if self.mean is not None:
            shown.append(f"mean={self.mean}, std={self.std}")
        if self.classes is not None:
            shown.append(f"{len(self.classes)} classes")
        return f"Model({', '.join(shown)})"


_OPTIONS = frozenset(inspect.signature(Model).parameters) - {"network"}


def as_model(model: Model | Callable[..., Any], **options: Any) -> Model:
    """A `Model` as it is, or a network wrapped in one, without normalisation unless `mean` and `std` say so.

    Args:
        model: a `Model`, an ``nn.Module`` or a callable.
        options: the keywords of `Model`; given with a `Model`, they replace its own.

    Raises:
        ModelError: it is none of these.
    """
    if isinstance(model, Model):
        return model.with_options(**options) if options else model
    if isinstance(model, str):
        raise ModelError(f"{model!r} is a name: load_model({model!r}) makes a model of it")
    if not callable(model):
        raise ModelError(f"a model is an nn.Module or a callable, not {type(model).__name__}")
    if options.get("task") == "detection" or is_torchvision_detector(model):
        options = {"name": type(model).__name__, "task": "detection", **options}
        model = as_detector(model)
    return Model(model, **options)


def uncompiled(network: Any) -> Any:
    """The original of a module from `torch.compile`, or the network as it is.

    The original gives the same output, takes hooks, and is not recompiled for each batch size.
    """
    return getattr(network, "_orig_mod", network) if isinstance(network, nn.Module) else network


def _normalisation(
    mean: float | Iterable[float] | None, std: float | Iterable[float] | None
) -> tuple[Triple, Triple] | tuple[None, None]:
    if mean is None and std is None:
        return None, None
    mean, std = _triple("mean", 0.0 if mean is None else mean), _triple("std", 1.0 if std is None else std)
    if min(std) <= 0:
        raise OptionError(f"std must be above 0, not {min(std):g}")
    return mean, std


def _triple(option: str, value: float | Iterable[float]) -> Triple:
    try:
        values = tuple(map(float, value)) if isinstance(value, Iterable) else (float(value),) * 3
    except (TypeError, ValueError):
        values = ()
    if len(values) != 3 or not all(map(math.isfinite, values)):
        raise OptionError(f"{option} is one number or three, not {value!r}")
    return values


def check_device(device: str | torch.device) -> torch.device:
    """The device, with an index if it is a GPU.

    Raises:
        OptionError: no such name, or no such GPU here.
    """
    try:
        wanted = torch.device(device)
    except RuntimeError as error:
        raise OptionError(f"no device {str(device)!r}: choose cpu, cuda or cuda:1") from error
    if wanted.type == "cuda":
        if not torch.cuda.is_available():
            raise OptionError(f"no device {str(device)!r}: PyTorch finds no GPU here")
        count = torch.cuda.device_count()
        wanted = torch.device("cuda", torch.cuda.current_device() if wanted.index is None else wanted.index)
        if wanted.index >= count:
            raise OptionError(f"no device {str(device)!r}: there are {count} GPUs")
    return wanted
