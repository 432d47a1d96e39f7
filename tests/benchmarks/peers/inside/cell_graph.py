"""A cell graph on ONNX Runtime, with sequences of any length in one batch: used by the peers that take our graph.

Of this project it needs nothing: NumPy, of whichever version, and ONNX Runtime.
"""

import numpy as np
import onnxruntime


class CellGraph:
    """One model, on one thread."""

    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        [width] = [given.shape[-1] for given in self._session.get_inputs() if given.name == "state"]
        self.state_width = width

    def step(self, inputs, states):
        """Advance rows: [timesteps, batch, input_dim] and [batch, state_width] to [timesteps, batch, units], states."""
        return self._session.run(("outputs", "next_state"), {"inputs": inputs, "state": states})

    def run(self, sequences):
        """Run sequences, [timesteps, input_dim] each, whole; return the outputs, [timesteps, units] each.

        The longest first, so that those which are done are the last rows and can be cut off: nothing is padded.
        """
        if len(sequences) == 1:
            return [self.step(sequences[0][:, None], np.zeros((1, self.state_width), np.float32))[0][:, 0]]
        order = sorted(range(len(sequences)), key=lambda i: -len(sequences[i]))
        rows = [sequences[i] for i in order]
        parts = [[] for _ in rows]
        states, at = np.zeros((len(rows), self.state_width), np.float32), 0
        while rows:
            until = len(rows[-1])
            outputs, states = self.step(np.stack([row[at:until] for row in rows], 1), states)
            for row in range(len(rows)):
                parts[row].append(outputs[:, row])
            at = until
            while rows and len(rows[-1]) == at:
                rows.pop()
            states = states[: len(rows)]
        whole = [part[0] if len(part) == 1 else np.concatenate(part) for part in parts]
        return [output for _, output in sorted(zip(order, whole, strict=True), key=lambda pair: pair[0])]
