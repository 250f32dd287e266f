from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from burnish import corpora
from burnish.corpora import smollm2
from burnish.errors import UnreachableError

gguf = pytest.importorskip("gguf")
np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MERGES = ["h e", "l l", "he ll", "hell o", "Ġ w", "1 2"]
TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}"
    "{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def tiny_config() -> Any:
    return transformers.LlamaConfig(
        vocab_size=len(tokens()),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        tie_word_embeddings=True,
        rms_norm_eps=1e-5,
        rope_theta=100_000.0,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )


def tokens() -> list[str]:
    from tokenizers.pre_tokenizers import ByteLevel

    return [*SPECIAL, *sorted(ByteLevel.alphabet()), *(merge.replace(" ", "") for merge in MERGES)]


def interleaved(rows: Any, heads: int) -> Any:
    """Reorder a query or key matrix as llama.cpp's converter does (convert_hf_to_gguf.py, `LlamaModel.permute`)."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def write_gguf(path: Path, model: Any, matrix_type: Any) -> None:
    """Write a Llama model as llama.cpp's converter would, its matrices in the given quantisation."""
    config, names = model.config, {value: key for key, value in smollm2._LAYER_NAMES.items()}
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(100_000.0)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens())
    writer.add_token_types([3] * len(SPECIAL) + [1] * (len(tokens()) - len(SPECIAL)))
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template(TEMPLATE)
    for name, tensor in model.model.state_dict().items():
        values = tensor.numpy()
        if name == "embed_tokens.weight":
            name = "token_embd.weight"
        elif name == "norm.weight":
            name = "output_norm.weight"
        else:
            _, layer, part = name.removesuffix(".weight").split(".", 2)
            if part == "self_attn.q_proj":
                values = interleaved(values, config.num_attention_heads)
            elif part == "self_attn.k_proj":
                values = interleaved(values, config.num_key_value_heads)
            name = f"blk.{layer}.{names[part]}.weight"
        if values.ndim == 2 and matrix_type != gguf.GGMLQuantizationType.F32:
            writer.add_tensor(name, gguf.quants.quantize(values, matrix_type), raw_dtype=matrix_type)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A made-up model's folder, converted from its GGUF file, and the model the file was written from."""
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(tiny_config()).eval()
    write_gguf(folder / "tiny.gguf", model, gguf.GGMLQuantizationType.F32)
    smollm2.convert(folder / "tiny.gguf", folder)
    return folder, model


# ------------------------------------------------------------------------------------------------------ weights


def test_a_converted_model_computes_what_the_original_does(tiny: tuple[Path, Any]) -> None:
    folder, model = tiny
    corpora.check_model_folder(folder)
    loaded = transformers.AutoModelForCausalLM.from_pretrained(folder)
    assert loaded.dtype == torch.float32
    assert loaded.config.tie_word_embeddings
    ids = torch.arange(3, 40)[None]
    with torch.no_grad():
        assert torch.equal(loaded(ids).logits, model(ids).logits)


def test_quantised_weights_are_what_transformers_itself_reads(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = transformers.LlamaForCausalLM(tiny_config())
    write_gguf(tmp_path / "tiny.gguf", model, gguf.GGMLQuantizationType.Q4_1)
    smollm2.convert(tmp_path / "tiny.gguf", tmp_path)
    ours = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).state_dict()
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file="tiny.gguf", dtype=torch.float32
    ).state_dict()
    assert set(ours) == set(theirs)
    for name, values in ours.items():
        assert torch.equal(values, theirs[name]), name
    assert not torch.equal(ours["model.layers.0.mlp.up_proj.weight"], model.model.layers[0].mlp.up_proj.weight)


@settings(max_examples=20, deadline=None)
@given(heads=st.integers(1, 5), half=st.integers(1, 6), columns=st.integers(1, 4))
def test_the_rotary_permutation_is_undone(heads: int, half: int, columns: int) -> None:
    rows = np.arange(heads * 2 * half * columns, dtype=np.float32).reshape(heads * 2 * half, columns)
    assert np.array_equal(smollm2.undo_rotary_permutation(interleaved(rows, heads), heads), rows)


def test_converting_needs_no_torch(tiny: tuple[Path, Any], tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from burnish.corpora import smollm2; "
        "smollm2.convert(Path(sys.argv[1]), Path(sys.argv[2])); "
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(tiny[0] / "tiny.gguf"), str(tmp_path)], check=True)
    corpora.check_model_folder(tmp_path)


# ---------------------------------------------------------------------------------------------------- tokeniser


@pytest.fixture(scope="module")
def tokenizer(tiny: tuple[Path, Any]) -> Any:
    return transformers.AutoTokenizer.from_pretrained(tiny[0])


def test_words_merge_and_digits_stand_alone(tokenizer: Any) -> None:
    pieces = tokenizer.convert_ids_to_tokens(tokenizer.encode("hello w 12<|im_end|>"))
    assert pieces == ["hello", "Ġw", "Ġ", "1", "2", "<|im_end|>"]  # "1 2" is a merge, and yet they stay apart


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=40))
def test_any_text_survives_encoding(tokenizer: Any, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_special_tokens_are_upstreams(tokenizer: Any) -> None:
    assert (tokenizer.bos_token, tokenizer.eos_token) == ("<|im_start|>", "<|im_end|>")
    assert (tokenizer.pad_token, tokenizer.unk_token) == ("<|im_end|>", "<|endoftext|>")
    assert tokenizer.encode("hello")[0] != tokenizer.bos_token_id  # nothing is put in front
    assert tokenizer.decode([1, 3, 2], skip_special_tokens=True) == tokenizer.decode([3])


# -------------------------------------------------------------------------------------------------- the real one

real = pytest.mark.real_model


@pytest.fixture(scope="module")
def smollm() -> Path:
    try:
        return corpora.resolve("smollm2-135m")
    except UnreachableError as error:
        pytest.skip(str(error))


@real
def test_the_real_weights_are_the_files_dequantised_values(smollm: Path) -> None:
    """Golden: the hash of tensors that were bit-equal to what transformers 5.23.0 reads with `gguf_file=`."""
    from safetensors import safe_open

    digest = hashlib.sha256()
    with safe_open(smollm / "model.safetensors", "np") as weights:
        for name in sorted(weights.keys()):
            digest.update(name.encode())
            digest.update(memoryview(weights.get_tensor(name)).cast("B"))
    assert digest.hexdigest() == "785e20b3e653276b0579b744214a1186d730ba80af04f397f642d6432e5e0154"


@real
def test_the_real_tokenizer_gives_known_ids(smollm: Path) -> None:
    """Golden: ids that an independent implementation of SmolLM's tokeniser checks itself against."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(smollm)
    known = {
        "Hello, we can use": [19556, 28, 392, 416, 722],
        "The capital of France is": [504, 3575, 282, 4649, 314],
        "\n": [198],
        "Hello world! 123": [19556, 905, 17, 216, 33, 34, 35],
        "Café déjà vu.": [51, 1939, 2756, 32564, 90, 16739, 386, 101, 30],
        "  multiple   spaces": [216, 2701, 256, 5600],
        "<|im_start|>user": [1, 4093],
    }
    assert {text: tokenizer.encode(text) for text in known} == known
    for text in ("日本語 и русский", "🙂👩‍👩‍👧", "a\u0000b\r\n\t", "naïve ½ ²"):
        assert tokenizer.decode(tokenizer.encode(text)) == text


@real
def test_the_real_chat_template_brings_its_system_prompt(smollm: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(smollm)
    asked = [{"role": "user", "content": "Hi"}]
    system = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    rest = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False) == system + rest
    own = [{"role": "system", "content": "Be brief."}, *asked]
    rendered = tokenizer.apply_chat_template(own, add_generation_prompt=True, tokenize=False)
    assert rendered == "<|im_start|>system\nBe brief.<|im_end|>\n" + rest


@real
def test_the_real_model_answers_in_english(smollm: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(smollm)
    model = transformers.AutoModelForCausalLM.from_pretrained(smollm)
    asked = [{"role": "user", "content": "What is the capital of France? Answer in one sentence."}]
    text = tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
    ids = tokenizer(text, return_tensors="pt")
    drawn = model.generate(**ids, do_sample=False, max_new_tokens=20)[0, ids.input_ids.shape[1] :]
    assert tokenizer.decode(drawn) == "The capital of France is Paris.<|im_end|>"


@real
def test_the_real_folder_says_where_it_comes_from(smollm: Path) -> None:
    assert json.loads((smollm / "config.json").read_text())["model_type"] == "llama"
    note = (smollm / "LICENCE.txt").read_text()
    assert "Apache-2.0" in note
    assert "2502.02737" in note
