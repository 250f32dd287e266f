"""A GPU where there is none: tensors that only claim to be on one, with real numbers.

`elsewhere` keeps all numbers on the processor and notes for each tensor's memory which device it claims. What asks a
tensor for its device is told the claim, what is made there claims it too, and an operation on tensors that claim
different devices raises, as torch's own does. So the code takes the paths that it takes on a GPU.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
import torch.utils.checkpoint
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
COPIES = ("copy_", "_to_copy")
PICKS = ("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index", "_unsafe_index_put")
ON_PROCESSOR_ALONE = ("mkldnn", "_weight_int8pack_mm")


class Claims:
    """Which device each tensor's memory claims; the processor where nothing is noted."""

    def __init__(self) -> None:
        # a weak reference keeps the place in memory from being anybody else's
        self.noted: dict[int, tuple[StorageWeakRef, torch.device]] = {}
        self.working = CPU
        """Where the function works that Python called last: its own scratch tensors are made there."""

    def of(self, tensor: Tensor) -> torch.device:
        found = self.noted.get(tensor.untyped_storage()._cdata)
        return found[1] if found else CPU

    def note(self, tensor: Tensor, device: torch.device) -> None:
        storage = tensor.untyped_storage()
        self.noted[storage._cdata] = StorageWeakRef(storage), device


class Checked(TorchDispatchMode):
    """Below autograd, so backward passes too: what is made claims what it was made of; a mixture raises."""

    def __init__(self, claims: Claims) -> None:
        super().__init__()
        self.claims = claims

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        name = func.overloadpacket.__name__
        device = self._device(func, name, args, given)
        if device != CPU:
            if any(part in str(func) for part in ON_PROCESSOR_ALONE):
                raise RuntimeError(f"{func}: is for a processor alone")
            if kwargs.get("generator") is not None:
                raise RuntimeError(f"{func}: the generator is the processor's")
        known = {each.untyped_storage()._cdata for each in given}
        found = func(*args, **kwargs)
        for each in tree_leaves(found):
            if isinstance(each, Tensor) and each.untyped_storage()._cdata not in known:
                self.claims.note(each, device)
        return found

    def _device(self, func: Any, name: str, args: Any, given: list[Tensor]) -> torch.device:
        """Return where an operation is done. Raises RuntimeError for tensors of which some are elsewhere."""
        if not given:
            return self.claims.working
        if name in COPIES:
            return self.claims.of(given[0])
        if name in PICKS and self.claims.of(args[0]) != CPU:  # places may be told on the processor
            given = [args[0], *(each for each in args[2:3] if isinstance(each, Tensor))]
        if name == "_pack_padded_sequence":
            if self.claims.of(args[1]) != CPU:
                raise RuntimeError("pack_padded_sequence: lengths are wanted on the processor")
            return self.claims.of(args[0])
        if not name.startswith("_fused"):  # a number may be on the processor anywhere else
            given = [each for each in given if each.ndim or self.claims.of(each) != CPU] or given
        devices = {self.claims.of(each) for each in given}
        if len(devices) > 1:
            raise RuntimeError(f"{func}: tensors on {' and '.join(sorted(map(str, devices)))}")
        return devices.pop()


class Told(TorchFunctionMode):
    """What Python asks for: a tensor's device, tensors made on one, copies to one."""

    def __init__(self, claims: Claims) -> None:
        super().__init__()
        self.claims = claims

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        before, here = self.claims.working, any(self.claims.of(each) == CUDA for each in tensors)
        self.claims.working = CUDA if here else CPU
        try:
            return self._told(func, args, dict(kwargs or {}))
        finally:
            self.claims.working = before

    def _told(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        name, owner = getattr(func, "__name__", ""), getattr(func, "__self__", None)
        if name == "__get__" and owner is Tensor.device and not args[0].is_meta:
            return self.claims.of(args[0])
        if name == "__get__" and owner is Tensor.is_cuda:
            return self.claims.of(args[0]) == CUDA
        if name in ("numpy", "__array__") and self.claims.of(args[0]) != CPU:
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        if func in (Tensor.to, Tensor.cpu, Tensor.cuda):
            return self._moved(func, args, kwargs)
        if func is Tensor.new_tensor:
            kwargs.setdefault("device", self.claims.of(args[0]))
        if torch.device(kwargs.get("device") or CPU).type != "cuda":
            return func(*args, **kwargs)
        if kwargs.get("generator") is not None:
            raise RuntimeError(f"{name}: the generator is the processor's")
        found = func(*args, **{**kwargs, "device": CPU})
        self.claims.note(found, CUDA)
        return found

    def _moved(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Tensor:
        tensor, device = args[0], self.claims.of(args[0])
        rest = list(args[1:])
        if func is not Tensor.to:
            wanted, rest = (CPU if func is Tensor.cpu else CUDA), []
        elif rest and isinstance(rest[0], Tensor):
            wanted, rest[0] = self.claims.of(rest[0]), rest[0].dtype
        elif rest and isinstance(rest[0], (torch.device, str, int)):
            wanted = torch.device(rest.pop(0))
            rest = [each for each in rest if each is not None]
        else:
            wanted = torch.device(kwargs.get("device") or device)
        if wanted.type == "meta":
            return func(*args, **kwargs)
        wanted = CPU if wanted.type == "cpu" else CUDA
        copied = wanted != device or kwargs.pop("copy", False)
        dtype = next((each for each in (*rest, kwargs.get("dtype")) if isinstance(each, torch.dtype)), tensor.dtype)
        if not copied:
            return tensor.to(dtype)
        found = tensor.to(dtype, copy=True)
        self.claims.note(found, wanted)
        return found


@contextlib.contextmanager
def elsewhere() -> Iterator[Claims]:
    """Inside there is one GPU, which is only claimed."""
    claims, backward = Claims(), torch.autograd._engine_run_backward

    def told_backward(*args: Any, **kwargs: Any) -> Any:
        with Told(claims):  # torch leaves a mode out below the function that it was asked about
            return backward(*args, **kwargs)

    here = {
        "torch.autograd._engine_run_backward": told_backward,
        "torch.cuda.is_available": lambda: True,
        "torch.cuda.device_count": lambda: 1,
        "torch.cuda.is_bf16_supported": lambda *_: True,
        "torch.cuda.get_rng_state": lambda *_: torch.get_rng_state(),
        "torch.cuda.set_rng_state": lambda *_: None,
        "torch.cuda.manual_seed_all": lambda *_: None,
        # a build of torch with CUDA would ask the driver for its stream
        "torch.optim.Optimizer._accelerator_graph_capture_health_check": lambda *_: None,
    }
    with contextlib.ExitStack() as stack:
        for name, value in here.items():
            stack.enter_context(mock.patch(name, value))
        # what recomputes compares devices, and looks at some tensors where no mode is asked
        compared = torch.utils.checkpoint._allowed_determinism_checks_to_fns
        stack.enter_context(mock.patch.dict(compared, default=lambda tensor: (tensor.shape, tensor.dtype)))
        stack.enter_context(Checked(claims))
        stack.enter_context(Told(claims))
        yield claims
