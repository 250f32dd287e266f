import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from burnish.models.encoder_reward import MAX_TOKENS, EncoderReward

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "good", "bad", "lamp", "is", "very"]
TEXTS = ["good lamp", "the lamp is very very bad", "", "bad"]
WITHIN = 0.05  # products are in bfloat16, of rewards whose spread is above 0.2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A random BERT of two layers over ten words."""
    where = tmp_path_factory.mktemp("bert")
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(where)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        shape = BertConfig(
            vocab_size=len(WORDS),
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=24,
            initializer_range=0.3,
            max_position_embeddings=128,
        )
        BertModel(shape).save_pretrained(where)
    return where


@pytest.fixture
def model(folder):
    """With a head that is not zeros."""
    found = EncoderReward.load(folder)
    with torch.no_grad():
        found.score.weight.copy_(torch.linspace(-1, 1, 16)[None])
        found.score.bias.fill_(0.5)
    return found


def test_the_reward_is_a_linear_function_of_the_mean_of_the_states(model):
    found = model.predict(TEXTS)
    assert found.std() > 0.2
    for text, reward in zip(TEXTS, found, strict=True):
        ids = torch.tensor([model.encode(text)])
        with torch.no_grad():
            states = model.encoder(input_ids=ids).last_hidden_state[0]
            assert model.score(states.mean(0)).item() == pytest.approx(float(reward), abs=WITHIN)


def test_company_changes_nothing_and_the_order_is_kept(model):
    together = model.predict(TEXTS)
    assert torch.allclose(together, torch.cat([model.predict([text]) for text in TEXTS]), atol=WITHIN)
    assert torch.allclose(model.predict(TEXTS[::-1]), together.flip(0), atol=WITHIN)
    assert model.predict([]).shape == (0,)


def test_a_fresh_head_rates_everything_nought(folder):
    assert EncoderReward.load(folder).predict(TEXTS).tolist() == [0.0] * 4


def test_layers_and_head_are_trained_and_embeddings_and_pooler_are_not(model):
    names = set(model.parameters())
    assert {"score.weight", "score.bias"} <= names
    assert not any("embeddings" in name or "pooler" in name for name in names)
    assert sum(name.startswith("encoder.layer.0.") for name in names) == 16
    model.outputs([model.encode(text) for text in TEXTS]).rewards_BK.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters().values())
    assert all(p.grad is None for p in model.encoder.embeddings.parameters())


def test_special_tokens_stand_once_and_a_long_text_is_cut(model):
    assert model.encode("good lamp") == [2, 5, 7, 3]
    long = model.encode("very " * 300)
    assert len(long) == MAX_TOKENS
    assert (long[0], long[-1]) == (2, 3)


def test_save_and_load(model, tmp_path):
    with torch.no_grad():
        for parameter in model.parameters().values():
            parameter.add_(0.01)
    model.save(tmp_path)
    again = EncoderReward.load(tmp_path)
    assert torch.equal(again.predict(TEXTS), model.predict(TEXTS))
    assert not list(tmp_path.glob("*.bin"))
