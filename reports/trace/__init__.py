"""From a training's recording to what moved the model: the run played again with other labels, and who pulled where."""
