"""Options of ``kedro run`` that name what does not exist: a sentence, before anything runs."""

import re

import pytest

from tests.conftest import Project

WRONG = {
    "--pipelines reporting,nope": r"--pipelines: there is no pipeline 'nope'\. There are: climat",
    "--pipeline reportin": r"--pipelines: .* 'reportin'\. Did you mean reporting\?",
    "--pipelines storms --pipeline storms": r"--pipeline is the former name of --pipelines: use ",
    "--nodes nope": r"--nodes: there is no node 'nope'\. There are: .*, extract, .*, transform\.$",
    "--from-nodes kmeans_clust": r"--from-nodes: .* Did you mean kmeans_cluster\?",
    "--to-nodes lod": r"--to-nodes: there is no node 'lod'\. Did you mean load\?",
    "--pipelines ingestion --nodes kmeans_cluster": r"kmeans_cluster is no node of the pipelines ",
    "--from-inputs flash": r"--from-inputs: there is no dataset 'flash'\. Did you mean flashes\?",
    "--to-outputs zz": r"--to-outputs: there is no dataset 'zz'\. There are: .*clustered_flashes, ",
    "--tags x": r"--tags: there is no tag 'x'\. There are: ",
    "--namespaces q": r"--namespaces: there is no namespace 'q'\. ",
    "--runner Nope": r"--runner Nope cannot be imported\. Kedro's are SequentialRunner, Thread",
    "--runner a.b.C": r"--runner a\.b\.C cannot be imported\. ",
    "--env nope": (
        r"--env: there is no environment 'nope'\. There are: base, dask, home, local, sample"
    ),
    "--from-nodes kmeans_cluster --to-nodes extract": r"leave no node to run: ",
}


@pytest.mark.parametrize("options", WRONG)
def test_name_that_does_not_exist_is_answered_in_a_sentence(project: Project, options: str) -> None:
    message = project.fail(*options.split())
    assert len(message.splitlines()) == 1
    assert re.search(WRONG[options], message), message
    assert not (project.folder / "data").exists(), "nothing has run"
