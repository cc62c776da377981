# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS::IAM::*: roles, users, policies, OIDC providers."""

from __future__ import annotations

from typing import Any

from langfuse_lab.aws.cloudformation.resource import (
    Properties,
    ResourceType,
    applies,
    as_json,
    gone_is_fine,
    removed_tags,
    tag_list,
    tag_map,
)

PRINCIPALS = {"Roles": "role", "Users": "user", "Groups": "group"}


class Iam(ResourceType):
    """A resource of IAM."""

    @property
    def iam(self) -> Any:
        return self.client("iam")

    def _call(self, verb: str, **arguments: Any) -> Any:
        return getattr(self.iam, verb)(**arguments)


class Principal(Iam):
    """A role or a user: what has policies."""

    kind: str  # as in the names of IAM's calls

    def _of(self, physical_id: str) -> dict[str, str]:
        return {f"{self.kind.capitalize()}Name": physical_id}

    @applies("ManagedPolicyArns")
    def managed_policies(self, physical_id: str, new: Properties, old: Properties) -> None:
        after, before = set(new.get("ManagedPolicyArns", [])), set(old.get("ManagedPolicyArns", []))
        for arn in sorted(before - after):
            self._call(f"detach_{self.kind}_policy", PolicyArn=arn, **self._of(physical_id))
        for arn in sorted(after - before):
            self._call(f"attach_{self.kind}_policy", PolicyArn=arn, **self._of(physical_id))

    @applies("Policies")
    def inline_policies(self, physical_id: str, new: Properties, old: Properties) -> None:
        after, before = (
            {each["PolicyName"]: each["PolicyDocument"] for each in p.get("Policies", [])} for p in (new, old)
        )
        for name in sorted(set(before) - set(after)):
            self._call(f"delete_{self.kind}_policy", PolicyName=name, **self._of(physical_id))
        for name, document in after.items():
            self._call(
                f"put_{self.kind}_policy", PolicyName=name, PolicyDocument=as_json(document), **self._of(physical_id)
            )

    @applies("PermissionsBoundary")
    def boundary(self, physical_id: str, new: Properties, old: Properties) -> None:
        if "PermissionsBoundary" in new:
            arn = new["PermissionsBoundary"]
            self._call(f"put_{self.kind}_permissions_boundary", PermissionsBoundary=arn, **self._of(physical_id))
        else:
            self._call(f"delete_{self.kind}_permissions_boundary", **self._of(physical_id))

    @applies("Tags")
    def tags(self, physical_id: str, new: Properties, old: Properties) -> None:
        if removed_tags(new, old):
            self._call(f"untag_{self.kind}", TagKeys=removed_tags(new, old), **self._of(physical_id))
        self._call(f"tag_{self.kind}", Tags=tag_list(tag_map(new)), **self._of(physical_id))

    def delete(self, physical_id: str, p: Properties) -> None:
        with gone_is_fine():
            self.managed_policies(physical_id, {}, p)
            self.inline_policies(physical_id, {}, p)
        self._call(f"delete_{self.kind}", **self._of(physical_id))


class Role(
    Principal,
    type_name="AWS::IAM::Role",
    name="RoleName",
    at_creation=["AssumeRolePolicyDocument", "Path", "Description", "MaxSessionDuration"],
):
    kind = "role"

    def create(self, p: Properties) -> str:
        given = {key: p[key] for key in ("Path", "Description", "MaxSessionDuration") if key in p}
        name = self.name(p)
        self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=as_json(p["AssumeRolePolicyDocument"]), **given)
        return name

    @applies("AssumeRolePolicyDocument")
    def trust(self, physical_id: str, new: Properties, old: Properties) -> None:
        self.iam.update_assume_role_policy(
            RoleName=physical_id, PolicyDocument=as_json(new["AssumeRolePolicyDocument"])
        )

    @applies("Description", "MaxSessionDuration")
    def settings(self, physical_id: str, new: Properties, old: Properties) -> None:
        self.iam.update_role(
            RoleName=physical_id,
            Description=new.get("Description", ""),
            MaxSessionDuration=new.get("MaxSessionDuration", 3600),
        )

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        role = self.iam.get_role(RoleName=physical_id)["Role"]
        return {"Arn": role["Arn"], "RoleId": role["RoleId"]}


class User(Principal, type_name="AWS::IAM::User", name="UserName", at_creation=["Path"]):
    kind = "user"

    def create(self, p: Properties) -> str:
        name = self.name(p)
        self.iam.create_user(UserName=name, Path=p.get("Path", "/"))
        return name

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        return {"Arn": self.iam.get_user(UserName=physical_id)["User"]["Arn"]}


class OidcProvider(Iam, type_name="AWS::IAM::OIDCProvider", at_creation=["Url", "ClientIdList", "ThumbprintList"]):
    def create(self, p: Properties) -> str:
        made = self.iam.create_open_id_connect_provider(
            Url=p["Url"], ClientIDList=p.get("ClientIdList", []), ThumbprintList=p.get("ThumbprintList", [])
        )
        return made["OpenIDConnectProviderArn"]

    @applies("ThumbprintList")
    def thumbprints(self, physical_id: str, new: Properties, old: Properties) -> None:
        self.iam.update_open_id_connect_provider_thumbprint(
            OpenIDConnectProviderArn=physical_id, ThumbprintList=new.get("ThumbprintList", [])
        )

    @applies("ClientIdList")
    def clients(self, physical_id: str, new: Properties, old: Properties) -> None:
        after, before = set(new.get("ClientIdList", [])), set(old.get("ClientIdList", []))
        for client in sorted(after - before):
            self.iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=physical_id, ClientID=client)
        for client in sorted(before - after):
            self.iam.remove_client_id_from_open_id_connect_provider(
                OpenIDConnectProviderArn=physical_id, ClientID=client
            )

    @applies("Tags")
    def tags(self, physical_id: str, new: Properties, old: Properties) -> None:
        if removed_tags(new, old):
            self.iam.untag_open_id_connect_provider(
                OpenIDConnectProviderArn=physical_id, TagKeys=removed_tags(new, old)
            )
        self.iam.tag_open_id_connect_provider(OpenIDConnectProviderArn=physical_id, Tags=tag_list(tag_map(new)))

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        return {"Arn": physical_id}

    def delete(self, physical_id: str, p: Properties) -> None:
        self.iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=physical_id)


class ManagedPolicy(
    Iam,
    type_name="AWS::IAM::ManagedPolicy",
    name="ManagedPolicyName",
    at_creation=["PolicyDocument", "Path", "Description"],
):
    name_length = 128

    def create(self, p: Properties) -> str:
        given = {key: p[key] for key in ("Path", "Description") if key in p}
        made = self.iam.create_policy(PolicyName=self.name(p), PolicyDocument=as_json(p["PolicyDocument"]), **given)
        return made["Policy"]["Arn"]

    @applies("PolicyDocument")
    def document(self, physical_id: str, new: Properties, old: Properties) -> None:
        self._delete_old_versions(physical_id)
        self.iam.create_policy_version(
            PolicyArn=physical_id, PolicyDocument=as_json(new["PolicyDocument"]), SetAsDefault=True
        )

    @applies(*PRINCIPALS)
    def principals(self, physical_id: str, new: Properties, old: Properties) -> None:
        for listed, kind in PRINCIPALS.items():
            after, before = set(new.get(listed, [])), set(old.get(listed, []))
            argument = f"{kind.capitalize()}Name"
            for name in sorted(after - before):
                self._call(f"attach_{kind}_policy", PolicyArn=physical_id, **{argument: name})
            for name in sorted(before - after):
                with gone_is_fine():
                    self._call(f"detach_{kind}_policy", PolicyArn=physical_id, **{argument: name})

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        return {"PolicyArn": physical_id}

    def delete(self, physical_id: str, p: Properties) -> None:
        self.principals(physical_id, {}, p)
        with gone_is_fine():
            self._delete_old_versions(physical_id)
        self.iam.delete_policy(PolicyArn=physical_id)

    def _delete_old_versions(self, arn: str) -> None:
        for version in self.iam.list_policy_versions(PolicyArn=arn)["Versions"]:
            if not version["IsDefaultVersion"]:
                self.iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])


class InlinePolicy(Iam, type_name="AWS::IAM::Policy", at_creation=["PolicyName", "PolicyDocument", *PRINCIPALS]):
    def create(self, p: Properties) -> str:
        self.principals("", p, {})
        return p["PolicyName"]

    @applies("PolicyName", "PolicyDocument", *PRINCIPALS)
    def principals(self, physical_id: str, new: Properties, old: Properties) -> None:
        after, before = _holders(new), _holders(old)
        for kind, holder, name in sorted(before - after):
            with gone_is_fine():
                self._call(f"delete_{kind}_policy", PolicyName=name, **{f"{kind.capitalize()}Name": holder})
        for kind, holder, name in sorted(after):
            self._call(
                f"put_{kind}_policy",
                PolicyName=name,
                PolicyDocument=as_json(new["PolicyDocument"]),
                **{f"{kind.capitalize()}Name": holder},
            )

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        return {"Id": physical_id}

    def delete(self, physical_id: str, p: Properties) -> None:
        self.principals(physical_id, {}, p)


def _holders(p: Properties) -> set[tuple[str, str, str]]:
    return {(kind, holder, p["PolicyName"]) for listed, kind in PRINCIPALS.items() for holder in p.get(listed, [])}
