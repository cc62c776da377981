# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render the roles' CloudFormation templates as a run does, and check them with cfn-lint."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.plugins.lookup import template as template_lookup
from ansible.template import Templar, trust_as_template

init_plugin_loader()
# It copies all variables to their depth for each template, which is half of a test's time; these templates change none.
template_lookup.deepcopy = copy.copy

ROLES = Path(__file__).resolve().parents[3] / "roles"
REGION = "ap-south-1"
ACCOUNT = "123456789012"
ISSUER = f"oidc.eks.{REGION}.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
# What CloudFormation takes as text; a longer template would have to lie in S3.
BODY_BYTES = 51_200


def builds(*addons: str) -> dict[str, dict[str, Any]]:
    """What EKS offers of add-ons, in the words of eks_cluster_info."""
    versions = ["v1.2.0-eksbuild.2", "v1.2.0-eksbuild.1", "v1.1.0-eksbuild.1"]
    return {addon: {"default": versions[1], "proposed": versions[1], "versions": versions} for addon in addons}


# What the roles find out at run time.
FOUND = {
    "platform_region": REGION,
    "langfuse_host": "langfuse.example.com",
    "langfuse_admin_email": "admin@example.com",
    "platform_account": ACCOUNT,
    "__platform_identity": {"account": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:user/admin"},
    "platform_resource_tags": {"app": "langfuse", "environment": "production", "platform": "langfuse"},
    "platform_outputs": {
        "VpcId": "vpc-0123456789abcdef0",
        "PrivateSubnetIds": "subnet-0aaaaaaaaaaaaaaa1,subnet-0aaaaaaaaaaaaaaa2",
        "OidcIssuerUrl": f"https://{ISSUER}",
        "OidcProviderArn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}",
        "BucketAccessPolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/langfuse-storage-BucketAccess-0123456789AB",
    },
    # A new cluster: the builds are those that EKS proposes.
    "__cluster_found": {"cluster": None, "addon_builds": builds("vpc-cni", "kube-proxy", "eks-pod-identity-agent")},
    "__addons_found": {
        "cluster": {"version": "1.36"},
        "addon_builds": builds("coredns", "aws-ebs-csi-driver", "metrics-server"),
    },
    "__cluster_region_zones": {
        "availability_zones": [
            {"zone_name": f"{REGION}{letter}", "zone_id": f"aps1-az{number}", "zone_type": "availability-zone"}
            for letter, number in (("b", 3), ("a", 1), ("c", 2))
        ],
    },
}


@functools.cache
def read_variables(path: Path) -> dict[str, Any]:
    """A file of variables, its values still templates."""
    return DataLoader().load_from_file(str(path), trusted_as_template=True)


class Role:
    """A role's variables over those of role platform, with the given ones on top."""

    def __init__(self, name: str, **given: Any) -> None:
        self.path = ROLES / name
        self.loader = DataLoader()
        size = given.get("platform_size", "small")
        files = [ROLES / role / kind / "main.yml" for kind in ("defaults", "vars") for role in ("platform", name)]
        profiles = [f"size_{size}.yml", f"chart_{given.get('platform_chart_major', 2)}.yml"]
        paths = [*files, *(ROLES / "platform" / "vars" / profile for profile in profiles)]
        layers = [read_variables(path) for path in paths]
        self.variables = {key: value for layer in [*layers, FOUND, given] for key, value in layer.items()}
        self.variables |= {"ansible_search_path": [str(self.path)], "role_path": str(self.path)}

    def value(self, expression: str) -> Any:
        """What a Jinja expression gives with this role's variables."""
        templar = Templar(loader=self.loader, variables=self.variables)
        return templar.template(trust_as_template("{{ " + expression + " }}"))

    def body(self, template: str) -> str:
        """The text of one of the role's CloudFormation templates."""
        # cfn-lint takes no subclass of str.
        return str(self.value(f"lookup('ansible.builtin.template', '{template}.yaml.j2')"))

    def stack(self, template: str) -> dict[str, Any]:
        """The same as data, with the short forms of functions (!Ref) written out (Ref)."""
        from cfnlint.decode import decode_str

        data, faults = decode_str(self.body(template))
        assert not faults, faults
        return data


@pytest.fixture
def make_role() -> Callable[..., Role]:
    """Make a role: its name, then variables."""
    return Role


@functools.cache
def cfn_lint(region: str) -> Any:
    """cfn-lint with its rules for one region; loading them takes more than ten times as long as a template."""
    from cfnlint.config import ConfigMixIn
    from cfnlint.runner import Runner

    # W3010 is against zones written into a template by hand; these are chosen when it is rendered.
    return Runner(ConfigMixIn(regions=[region], ignore_checks=["W3010"]))


@pytest.fixture
def lint() -> Callable[..., list[str]]:
    """What is wrong with a template's text by AWS's schemas of a region, and by CloudFormation's limit; a line each."""
    from cfnlint.decode import decode_str

    def faults(body: str, region: str = REGION) -> list[str]:
        template, unreadable = decode_str(body)
        matches = unreadable or cfn_lint(region).validate_template(template)
        found = [f"{match.linenumber}: {match.rule.id} {match.message}" for match in matches]
        return found + ([f"{len(body.encode())} bytes"] if len(body.encode()) > BODY_BYTES else [])

    return faults


@pytest.fixture
def of_type() -> Callable[..., dict[str, dict[str, Any]]]:
    """The properties of a stack's resources of one type, by their names."""

    def resources(stack: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
        return {name: entry["Properties"] for name, entry in stack["Resources"].items() if entry["Type"] == kind}

    return resources
