from __future__ import annotations

from rankdeck.metrics.lines import WORDS, KnownWords, all_lines, lines_with

BLOCK = b"one\nLoss 1 loss 2\r\nnothing\rstep 3\n\nlast loss"


def test_lines_end_with_newlines_and_carriage_returns() -> None:
    found = list(all_lines(BLOCK))
    assert [line for _, line in found] == [
        b"one",
        b"Loss 1 loss 2",
        b"nothing",
        b"step 3",
        b"last loss",
    ]
    assert all(BLOCK[begin:].startswith(line) for begin, line in found)


def test_lines_with_words_are_found_once_and_in_order() -> None:
    found = list(lines_with(BLOCK, (b"step", b"loss")))
    assert [line for _, line in found] == [b"Loss 1 loss 2", b"step 3", b"last loss"]
    assert all(BLOCK[begin:].startswith(line) for begin, line in found)
    assert list(lines_with(BLOCK, ())) == []


def test_names_without_a_usual_word_are_learnt() -> None:
    known = KnownWords()
    known.learn("train/loss")
    assert known.words == list(WORDS)
    known.learn("q_mean_value")
    known.learn("损失")
    assert known.words[len(WORDS) :] == [b"value", "损失".encode()]
