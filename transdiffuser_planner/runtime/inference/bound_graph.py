"""Graphs whose inputs and outputs are fixed buffers on a device, as CUDA graphs require.

A graph reads the outputs of an earlier one where they are; only what is read on the host is copied.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, ParamSpec, TypeVar

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import ModelError

Array = NDArray[np.float32]
Values = Mapping[str, NDArray[Any]]
P = ParamSpec("P")
R = TypeVar("R")

_TYPES: Final = {"tensor(float)": np.float32, "tensor(int64)": np.int64}


class Device:
    """A device and the one thread that works on it.

    ONNX Runtime captures CUDA graphs per thread, a capture permits no other work on the device, and captured graphs must
    not be replayed by two threads at once.

    Args:
        kind: "cpu" or "cuda", as ONNX Runtime names it.
        number: Which of them.
    """

    def __init__(self, kind: str, number: int = 0) -> None:
        self._kind, self._number = kind, number
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="device")
        self._ident = self._thread.submit(threading.get_ident).result()

    def call(self, job: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a job on the device's thread and return its result.

        Args:
            job: What to run.
            *args: Its arguments.
            **kwargs: Its named arguments.
        """
        if threading.get_ident() == self._ident:
            return job(*args, **kwargs)
        return self._thread.submit(job, *args, **kwargs).result()

    def allocate(self, name: str, shape: list[int | str], kind: str) -> onnxruntime.OrtValue:
        """Allocate the buffer of a tensor.

        Args:
            name: Name of the tensor, for the error.
            shape: Its axes; all must be fixed.
            kind: Its type, as ONNX Runtime writes it.

        Raises:
            ModelError: An axis is free, or the type is not one of a model's.
        """
        if kind not in _TYPES or not all(isinstance(size, int) for size in shape):
            raise ModelError(f"tensor {name}: {kind} {shape} cannot be bound; its axes must be fixed")
        return onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, _TYPES[kind], self._kind, self._number)


class DeviceTensors(Mapping[str, Array]):
    """Outputs of one run, by name: on the device until they are read, then copied to the host, once.

    They stay valid when later runs overwrite the buffers: what may still be read is copied before.
    """

    def __init__(self, device: Device, buffers: Mapping[str, onnxruntime.OrtValue]) -> None:
        self._device, self._buffers = device, buffers
        self._host: dict[str, Array] = {}

    def __getitem__(self, name: str) -> Array:
        if name not in self._host:
            self._device.call(self._read, name)
        return self._host[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._buffers)

    def __len__(self) -> int:
        return len(self._buffers)

    def detach(self) -> None:
        """Copy everything that was not read yet; to be called on the device's thread."""
        for name in self._buffers:
            self._read(name)

    def _read(self, name: str) -> None:
        if name not in self._host:
            self._host[name] = np.array(self._buffers[name].numpy())  # on a CPU, numpy() is a view


class BoundGraph:
    """A session bound to buffers; all calls on the device's thread.

    Args:
        session: All axes fixed, on the device.
        device: Allocates the buffers.
        shared: Name -> buffer of another graph's output, which this graph reads in place.
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        device: Device,
        shared: Mapping[str, onnxruntime.OrtValue] | None = None,
    ) -> None:
        self._session, self._device = session, device
        self._binding = session.io_binding()
        self._inputs: dict[str, onnxruntime.OrtValue] = {}
        self.outputs: dict[str, onnxruntime.OrtValue] = {}
        self._types = {item.name: _TYPES.get(item.type) for item in session.get_inputs()}
        self._shared: dict[str, onnxruntime.OrtValue] = {}
        for item in session.get_inputs():
            if shared is not None and item.name in shared:
                value = self._shared[item.name] = shared[item.name]
            else:
                value = self._inputs[item.name] = device.allocate(item.name, item.shape, item.type)
            self._binding.bind_ortvalue_input(item.name, value)
        for item in session.get_outputs():
            self.outputs[item.name] = device.allocate(item.name, item.shape, item.type)
            self._binding.bind_ortvalue_output(item.name, self.outputs[item.name])
        self._held: Callable[[], object | None] = lambda: None

    def run(self, feeds: Values) -> DeviceTensors:
        """Copy the inputs that are no shared buffers to the device and run.

        Args:
            feeds: Inputs by name; others are ignored.

        Returns:
            The outputs, on the device.
        """
        self._keep_last()
        for name, buffer in self._inputs.items():
            buffer.update_inplace(np.ascontiguousarray(feeds[name], dtype=self._types[name]))
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()
        tensors = DeviceTensors(self._device, self.outputs)
        self._held = weakref.ref(tensors)
        return tensors

    def read_from(self, source: BoundGraph, tensors: Values) -> None:
        """Make the buffers that are shared with another graph hold these tensors, if other ones are in them.

        Args:
            source: The other graph.
            tensors: Its outputs, of this or another run; of values from elsewhere, those that this graph reads.
        """
        if source._held() is tensors:
            return
        source._keep_last()
        is_whole = isinstance(tensors, DeviceTensors)
        for name in source.outputs if is_whole else self._shared.keys() & source.outputs.keys():
            source.outputs[name].update_inplace(np.ascontiguousarray(tensors[name], dtype=np.float32))
        source._held = weakref.ref(tensors) if isinstance(tensors, DeviceTensors) else lambda: None

    def _keep_last(self) -> None:
        """Copy the outputs of the last run to the host if a caller still has them, as they are overwritten now."""
        last = self._held()
        if isinstance(last, DeviceTensors):
            last.detach()
