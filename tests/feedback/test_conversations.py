import pytest

from burnish.errors import InputError
from burnish.feedback import conversations
from burnish.records import Message, Prompt


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


def test_texts_are_one_user_message_and_plain_completions():
    messages, plain = conversations.read({"prompt": "Hi", "completion": "Hello", "rating": None})
    assert messages == (Message("user", "Hi"),)
    assert plain == {"prompt": "Hi", "completion": "Hello"}


def test_an_empty_prompt_asks_nothing():
    assert conversations.read({"prompt": "", "completion": "text"})[0] == ()
    assert conversations.read({"prompt": [], "completion": "text"})[0] == ()


def test_prompt_and_answers_as_messages_are_the_same_as_texts():
    plain = {"prompt": "Hi", "chosen": "A", "rejected": "B"}
    listed = {"prompt": [user("Hi")], "chosen": [assistant("A")], "rejected": [assistant("B")]}
    assert conversations.read(listed)[0] == conversations.read(plain)[0]
    assert {**conversations.read(listed)[1], "prompt": "Hi"} == plain


def test_conversations_without_a_prompt_share_their_beginning():
    start = [{"role": "system", "content": "Be kind."}, user("1"), assistant("2"), user("3")]
    messages, plain = conversations.read({"chosen": [*start, assistant("A")], "rejected": [*start, assistant("B")]})
    assert [message.content for message in messages] == ["Be kind.", "1", "2", "3"]
    assert (plain["chosen"], plain["rejected"]) == ("A", "B")


def test_equal_answers_do_not_become_part_of_the_prompt():
    messages, plain = conversations.read(
        {"chosen": [user("1"), assistant("A")], "rejected": [user("1"), assistant("A")]}
    )
    assert len(messages) == 1
    assert plain["chosen"] == plain["rejected"] == "A"


def test_one_conversation_without_a_prompt_ends_with_its_completion():
    messages, plain = conversations.read({"completion": [user("1"), assistant("A")], "label": True})
    assert messages == (Message("user", "1"),)
    assert plain["completion"] == "A"


def test_conversations_may_repeat_a_prompt_given_as_text():
    # the columns of ultrafeedback_binarized
    row = {"prompt": "Hi", "chosen": [user("Hi"), assistant("A")], "rejected": [user("Hi"), assistant("B")]}
    messages, plain = conversations.read(row)
    assert messages == (Message("user", "Hi"),)
    assert (plain["chosen"], plain["rejected"]) == ("A", "B")


def test_turns_that_all_answers_share_after_the_prompt_belong_to_it():
    row = {
        "prompt": [user("1")],
        "completions": [[assistant("2"), user("3"), assistant("A")], [assistant("2"), user("3"), assistant("B")]],
    }
    messages, plain = conversations.read(row)
    assert [message.content for message in messages] == ["1", "2", "3"]
    assert plain["completions"] == ["A", "B"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"completion": "A"}, "prompt: missing"),
        ({"chosen": [user("1"), assistant("A")], "rejected": "B"}, "prompt: missing"),
        ({"chosen": [user("1"), assistant("A")], "rejected": [user("2"), assistant("B")]}, "do not begin alike"),
        ({"prompt": "x", "completion": ""}, "completion: empty"),
        ({"prompt": "x", "completion": []}, "completion: empty"),
        ({"prompt": "x", "completion": [user("A")]}, "completion: ends with a message of the user"),
        ({"prompt": "x", "completion": [assistant(" ")]}, "completion: empty"),
        ({"prompt": "x", "completion": ["A"]}, r"completion\[0\]: 'A' is not a message"),
        ({"prompt": "x", "completion": 5}, "completion: 5 is not text"),
        ({"prompt": 5, "completion": "A"}, "prompt: 5 is not text"),
        ({"prompt": [{"role": "boss", "content": "x"}], "completion": "A"}, r"prompt\[0\].role: 'boss' is not one of"),
        ({"prompt": [{"role": "user"}], "completion": "A"}, r"prompt\[0\].content: null is not text"),
        ({"prompt": [{**user("x"), "tool_calls": [1]}], "completion": "A"}, "'tool_calls' is neither role nor content"),
        ({"prompt": "x", "completions": "A"}, "completions: 'A' is not a list"),
        ({"prompt": "x", "completions": ["A", ""]}, r"completions\[1\]: empty"),
        (
            {"prompt": "x", "chosen": [assistant("1"), user("2"), assistant("A")], "rejected": [assistant("B")]},
            "chosen: differs from the others before its last message",
        ),
    ],
)
def test_what_is_no_answer_to_one_prompt_is_refused(row, said):
    with pytest.raises(InputError, match=said):
        conversations.read(row)


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(()),
        Prompt.of("Hi"),
        Prompt.of(""),
        Prompt.of([Message("system", "Be kind."), Message("user", "Hi")]),
        Prompt.of([Message("assistant", "So?")]),
    ],
)
def test_a_written_prompt_reads_back(prompt):
    row = {"prompt": conversations.write(prompt), "completion": "A"}
    assert conversations.read(row)[0] == prompt.messages


def test_an_ordinary_prompt_is_written_as_text():
    assert conversations.write(Prompt.of("Hi")) == "Hi"
