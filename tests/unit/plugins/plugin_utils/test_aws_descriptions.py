# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients of AWS find the descriptions of its services read, and everything else about them is as it was."""

from __future__ import annotations

import json

import pytest
from ansible_collections.llmops.langfuse.plugins.connection.local_fork import run_forked

# Each in a process of its own, since it lasts as long as the process.
BEGINNING = """
import json
import boto3.session, botocore.loaders
from ansible_collections.llmops.langfuse.plugins.plugin_utils import _aws_descriptions

def client(service, **settings):
    return boto3.session.Session(aws_access_key_id="a", aws_secret_access_key="b").client(service, **settings)

read, load = [], botocore.loaders.JSONFileLoader.load_file
botocore.loaders.JSONFileLoader.load_file = lambda self, path: read.append(path) or load(self, path)
"""


def answer(program: str):
    """What a program prints as JSON, in a process where nothing was read yet."""
    code, stdout, stderr = run_forked(f"{BEGINNING}{program}".encode())
    assert code == 0, stderr
    return json.loads(stdout)


NEW_CLIENT = "read.clear(); client({service!r}, region_name='eu-west-1'); print(json.dumps(read))"


@pytest.mark.parametrize("service", ["cloudformation", "ec2", "iam", "s3"])
def test_a_client_reads_nothing_but_its_services_operations(service):
    assert len(answer(NEW_CLIENT.format(service=service))) > 5
    files = answer("_aws_descriptions.keep()\n" + NEW_CLIENT.format(service=service))
    assert files and all(f"/{service}/" in file for file in files), files


def test_a_client_of_a_service_that_was_read_reads_nothing():
    program = "_aws_descriptions.keep()\nclient('eks', region_name='us-east-1')\n"
    assert answer(program + NEW_CLIENT.format(service="eks")) == []


def test_a_client_has_its_own_region_and_credentials():
    program = """
_aws_descriptions.keep()
made = client("eks", region_name="ap-south-1")
print(json.dumps([made.meta.region_name, made.meta.endpoint_url, made._request_signer._credentials.access_key]))
"""
    assert answer(program) == ["ap-south-1", "https://eks.ap-south-1.amazonaws.com", "a"]


def test_descriptions_of_ones_own_are_found(tmp_path):
    """In the folder that AWS_DATA_PATH names, also when it is named later."""
    service = tmp_path / "own" / "2020-01-01"
    service.mkdir(parents=True)
    metadata = {"apiVersion": "2020-01-01", "endpointPrefix": "own", "protocol": "json", "serviceId": "own"}
    metadata |= {"signatureVersion": "v4", "serviceFullName": "Own", "jsonVersion": "1.1"}
    (service / "service-2.json").write_text(json.dumps({"metadata": metadata, "operations": {}, "shapes": {}}))
    program = f"""
import os
_aws_descriptions.keep()
os.environ["AWS_DATA_PATH"] = {str(tmp_path)!r}
made = client("own", region_name="eu-west-1", endpoint_url="http://127.0.0.1:9")
print(json.dumps([made.meta.service_model.service_id, len(client("sts").meta.service_model.operation_names) > 5]))
"""
    assert answer(program) == ["own", True]
