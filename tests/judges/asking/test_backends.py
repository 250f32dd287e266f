import shutil

import pytest

from burnish.errors import InputError
from burnish.judges.asking.asker import Asker
from burnish.judges.asking.backends import local_name, sampler_of
from burnish.judges.rating import Rating
from burnish.records import Completion, Prompt


def test_a_folder_is_a_judge_named_by_its_weights(tiny_folder, tmp_path):
    sampler = sampler_of(str(tiny_folder))
    assert sampler.name == local_name(str(tiny_folder))
    prompt = Prompt.of("q")
    (verdict,) = Rating(Asker(sampler), scale=(1, 3)).verdicts([prompt], [[Completion(prompt.id, "good")]])
    assert 1 <= verdict.value <= 3
    assert verdict.feedback.author.id.startswith(f"{sampler.name}/rating-")
    other = shutil.copytree(tiny_folder, tmp_path / tiny_folder.name)
    assert local_name(str(other)) == sampler.name  # the same weights elsewhere are the same judge
    weights = next(other.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert local_name(str(other)) != sampler.name


def test_a_name_nobody_knows_is_told():
    with pytest.raises(InputError, match="Did you mean 'smollm2-135m'"):
        sampler_of("smollm2-135")
    with pytest.raises(InputError, match="Write openai:URL#MODEL"):
        sampler_of("openai:gpt")
