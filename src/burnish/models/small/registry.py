"""Makes the small models known to transformers' Auto classes: imported wherever a model folder is loaded.

A folder names its model type; the code is ours, so nothing that stands in a folder is ever run.
"""

from __future__ import annotations

from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from burnish.models.small.encoder_decoder import EncoderDecoderConfig, EncoderDecoderForCausalLM, EncoderDecoderModel
from burnish.models.small.recurrent import RecurrentConfig, RecurrentForCausalLM, RecurrentModel

for _config, _backbone, _speaking in (
    (RecurrentConfig, RecurrentModel, RecurrentForCausalLM),
    (EncoderDecoderConfig, EncoderDecoderModel, EncoderDecoderForCausalLM),
):
    AutoConfig.register(_config.model_type, _config, exist_ok=True)
    AutoModel.register(_config, _backbone, exist_ok=True)
    AutoModelForCausalLM.register(_config, _speaking, exist_ok=True)
