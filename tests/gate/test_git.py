"""A repository of a few commits, as Git itself tells of it."""

import pytest

from iad import paths
from iad.errors import IadError
from iad.gate.git import baseline, commit_of, commits_behind, experiments, revision_files
from tests.conftest import commit, run


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    (folder / paths.SCORES_CSV).mkdir(parents=True)
    monkeypatch.chdir(folder)
    run(folder, "git", "init", "--quiet", "--initial-branch", "main")
    (folder / paths.PARAMS).write_text("seed: 0\n")
    (folder / paths.SCORES_CSV / "vit.csv").write_text("image_id\n")
    commit(folder, "start")
    return folder


def head(folder, name="HEAD"):
    return run(folder, "git", "rev-parse", name).stdout.strip()


def test_files_at_a_revision_are_read_relative_to_the_current_folder(project, monkeypatch):
    inner = project / "inner"
    inner.mkdir()
    (inner / "params.yaml").write_text("x: 1\n")
    (inner / "a.csv").write_text("a,b\n1,é\n", encoding="utf-8")
    commit(project, "inner")
    monkeypatch.chdir(inner)
    with revision_files() as files:
        assert files.read("HEAD", paths.PARAMS) == b"x: 1\n"
        assert files.read("HEAD", paths.SCORES_CSV) is None
        assert files.read("HEAD", paths.Path("a.csv")) == "a,b\n1,é\n".encode()
        assert files.at("HEAD")(paths.PARAMS) == b"x: 1\n"
    monkeypatch.chdir(project)
    with revision_files() as files:
        assert files.read("HEAD", paths.SCORES_CSV) is None, "a folder is no file"
        assert files.read("HEAD", paths.PARAMS) == paths.PARAMS.read_bytes(), (
            "the answer after a folder's is read right"
        )


def test_an_experiment_is_found_by_its_name_and_the_newest_is_first(project):
    first = head(project)
    for name, when in (("old-one", 1000), ("new-one", 2000)):
        stamp = f"GIT_COMMITTER_DATE=@{when} +0000"
        made = run(project, "env", stamp, "git", "commit-tree", "HEAD^{tree}", "-p", first, "-m", name).stdout.strip()
        run(project, "git", "update-ref", f"refs/exps/{first[:2]}/{first[2:]}/{name}", made)
    assert [(one.name, one.finished) for one in experiments()] == [("new-one", 2000), ("old-one", 1000)]
    assert commit_of("old-one") == experiments()[1].commit
    assert commit_of("main") == first
    with pytest.raises(IadError, match="revision 'none-such': unknown here"):
        commit_of("none-such")


def test_without_a_revision_main_is_taken_or_its_parent_where_it_lies_here_untouched(project):
    first = head(project)
    with pytest.raises(IadError, match=r"revision 'main\^': the first commit has no parent"):
        baseline("")
    (project / paths.SCORES_CSV / "vit.csv").write_text("image_id\na.png\n")
    assert baseline("") == ("main", first)
    commit(project, "results")
    assert baseline("") == ("main^", first)
    assert baseline(first[:9]) == (first[:9], first)
    run(project, "git", "switch", "--quiet", "--detach", first)
    assert commits_behind(head(project, "main")) == 1
    run(project, "git", "branch", "--move", "main", "trunk")
    with pytest.raises(
        IadError, match=r"no main branch here \(origin/main, main, .+\); name a revision: iad gate REVISION"
    ):
        baseline("")
