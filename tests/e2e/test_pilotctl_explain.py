"""What pilotctl explains, and the JSON Schemas: good resources fit them, bad ones do not."""

import glob
import json
import os
import subprocess

import jsonschema
import pytest
import yaml

from harness import PILOTCTL

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GOOD, FINDINGS, USAGE = 0, 1, 2


def run(*arguments, stdin=None):
    return subprocess.run([PILOTCTL, *arguments], input=stdin, text=True, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


def told(*arguments):
    done = run(*arguments)
    assert done.returncode == GOOD, done.stdout
    return json.loads(done.stdout)


# ---- explain ----

def test_every_code_has_a_page_whose_example_gives_it():
    codes = told("explain", "-o", "json")
    assert len(codes) > 25
    for code in codes:
        page = told("explain", code["code"], "-o", "json")
        assert page["title"] == code["title"] and page["meaning"] and page["mend"]
        if page["example"]:
            found = run("validate", "-f", "-", stdin=page["example"]).stdout
            assert f"[{code['code']}]" in found, page["example"]
    assert run("explain", "102").stdout == run("explain", "pil0102").stdout


def test_a_field_is_explained_and_a_misspelled_one_is_guessed():
    text = run("explain", "virtualservice.spec.http.match").stdout
    assert "value     list: object" in text and "Envoy     RouteMatch" in text and "queryParams" in text
    field = told("explain", "dr.spec.trafficPolicy.tls.mode", "-o", "json")
    assert (field["name"], field["default"], field["envoy"]) == ("mode", "DISABLE", "UpstreamTlsContext")
    wrong = run("explain", "vs.spec.http.tiemout")
    assert wrong.returncode == USAGE and 'did you mean "timeout"?' in wrong.stdout
    assert run("explain", "nonsense").returncode == USAGE


# ---- schema ----

@pytest.fixture(name="validators", scope="module")
def all_validators(tmp_path_factory):
    directory = tmp_path_factory.mktemp("schemas")
    assert run("schema", "--dir", str(directory)).returncode == GOOD
    schemas = {path.stem: json.loads(path.read_text()) for path in directory.iterdir()}
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    assert told("schema", "vs") == schemas["VirtualService"]
    return {kind: jsonschema.Draft202012Validator(schema) for kind, schema in schemas.items()}


def good_documents():
    paths = glob.glob(os.path.join(ROOT, "deploy/demo/resources/*.yaml")) + glob.glob(
        os.path.join(ROOT, "tests/golden/*/*.yaml"))
    for path in sorted(paths):
        for document in yaml.safe_load_all(open(path, encoding="utf-8")):
            if document and "kind" in document:
                yield os.path.basename(path), document
    for code in told("explain", "-o", "json"):
        if code["code"].startswith("PIL04"):
            example = told("explain", code["code"], "-o", "json")["example"]
            for document in yaml.safe_load_all(example):
                yield code["code"], document


def test_good_resources_fit_their_schema(validators):
    kinds = set()
    for where, document in good_documents():
        errors = [error.message for error in validators[document["kind"]].iter_errors(document)]
        assert not errors, (where, errors)
        kinds.add(document["kind"])
    assert {"VirtualService", "DestinationRule", "ServiceEntry"} <= kinds


@pytest.mark.parametrize("code", ["PIL0102", "PIL0103", "PIL0104", "PIL0106", "PIL0201", "PIL0202",
                                  "PIL0301"])
def test_bad_resources_do_not(validators, code):
    (document,) = yaml.safe_load_all(told("explain", code, "-o", "json")["example"])
    assert not validators[document["kind"]].is_valid(document)


def test_instances_and_services_have_schemas_too(validators):
    assert validators["instance"].is_valid({"address": "10.0.0.1", "ports": {"http": 80}})
    assert not validators["instance"].is_valid({"address": "10.0.0.1", "ports": {"http": 0}})
    assert not validators["instance"].is_valid({"ports": {"http": 80}})
    assert validators["service"].is_valid({"ports": [{"name": "http", "number": 80}]})
