"""Models that read texts as they are: beside transformers itself, and whatever stands in the same batch."""

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from burnish import rewards
from burnish.errors import InputError
from burnish.models.text_encoder import Embedder, TextClassifier
from burnish.records import Completion, Prompt

TEXTS = ["the lamp is new", "a", "nobody asked for a lamp, and there it stood on the table"]


@pytest.fixture(scope="module")
def classifier_folder(tiny_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("classifier")
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(
        tiny_folder, id2label={0: "rude", 1: "plain", 2: "kind"}, label2id={"rude": 0, "plain": 1, "kind": 2}
    )
    model.config.pad_token_id = 0
    torch.nn.init.normal_(model.score.weight, std=1.0)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_folder).save_pretrained(folder)
    return folder


def test_a_vector_is_the_mean_of_the_last_states_whatever_stands_beside_it(tiny_folder):
    embed, model = Embedder(tiny_folder), AutoModel.from_pretrained(tiny_folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder)
    with torch.no_grad():
        by_hand = [model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0).numpy() for text in TEXTS]
    np.testing.assert_allclose(embed(TEXTS), np.stack(by_hand), atol=1e-5)


def test_likeness_in_meaning_is_made_by_a_word(tiny_folder):
    reward, prompt = rewards.make(f"similarity:{tiny_folder}"), Prompt.of("What?", reference=TEXTS[0])
    same, other = reward.score([prompt] * 2, [Completion(prompt.id, TEXTS[0]), Completion(prompt.id, TEXTS[2])])
    assert same.value == pytest.approx(1.0)
    assert other.value < same.value - 1e-3


def test_a_classifier_is_made_by_a_word(classifier_folder):
    found, model = TextClassifier(classifier_folder)(TEXTS), AutoModelForSequenceClassification
    tokens = AutoTokenizer.from_pretrained(classifier_folder)(TEXTS[1], return_tensors="pt")
    with torch.no_grad():
        alone = model.from_pretrained(classifier_folder, dtype=torch.float32).eval()(**tokens).logits[0].softmax(-1)
    assert list(found[1].values()) == pytest.approx(alone.tolist(), abs=1e-5)
    prompt = Prompt.of("What?")
    (score,) = rewards.make(f"classifier:kind@{classifier_folder}").score([prompt], [Completion(prompt.id, TEXTS[1])])
    assert score.value == pytest.approx(float(torch.logit(alone[2])), abs=1e-4)


def test_slips_are_told_with_their_remedy(classifier_folder, tiny_folder, tmp_path):
    for word, complaint in {
        f"classifier:kynd@{classifier_folder}": "no label 'kynd'. Did you mean 'kind'",
        "classifier:kind": "Write classifier:LABEL@FOLDER",
        "similarity": "Write similarity:minilm",
    }.items():
        with pytest.raises(InputError, match=complaint):
            rewards.make(word)
