import pytest

from asr.errors import InputError
from asr.lang.sentences import read_plain, read_transcripts


def test_transcripts_are_normalised_and_digits_stay(tmp_path):
    (tmp_path / "text").write_text("u1 我去ktv！\nu2\nu3 3点 见\n", encoding="utf-8")
    assert read_transcripts(tmp_path / "text") == ["我去KTV", "3点 见"]


def test_numbers_of_plain_text_are_written_out(tmp_path):
    (tmp_path / "more").write_text("花了 100 块 钱\n\n……\n我们 去 ktv\n", encoding="utf-8")
    assert read_plain(tmp_path / "more") == ["花了 一百块 钱", "我们 去 KTV"]


def test_the_users_spaces_stay_also_beside_numbers(tmp_path):
    (tmp_path / "more").write_text("花了 100 块 钱\n有 3 % 的 人 ！\n", encoding="utf-8")
    assert read_plain(tmp_path / "more", spaced=True) == ["花了 一百 块 钱", "有 三 的 人"]


@pytest.mark.parametrize("read", [read_plain, read_transcripts])
def test_a_file_without_text_is_refused(tmp_path, read):
    (tmp_path / "text").write_text("。\n", encoding="utf-8")
    with pytest.raises(InputError, match="text: holds no text"):
        read(tmp_path / "text")
