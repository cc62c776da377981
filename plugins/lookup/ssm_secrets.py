# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup of many SSM parameters in few calls."""

from __future__ import annotations

DOCUMENTATION = r"""
name: ssm_secrets
author:
  - llmops.langfuse contributors (@llmops)
version_added: 1.0.0
short_description: Read many SSM parameters in few calls
description:
  - Reads parameters of AWS Systems Manager's Parameter Store by name, ten in a call, or all parameters under a path,
    ten on a page.
  - An option is taken from the lookup's argument, else from its variable, else from the environment, else from
    C(ansible.cfg).
  - Credentials that are not given are searched by boto3 as always, that is E(AWS_ACCESS_KEY_ID),
    E(AWS_SECRET_ACCESS_KEY) and E(AWS_SESSION_TOKEN), E(AWS_PROFILE), the shared files in C(~/.aws), and the role of
    the computer. A O(profile) that is given wins over keys in the environment.
  - Needs the permission C(ssm:GetParameters), with O(by_path=true) C(ssm:GetParametersByPath), and C(kms:Decrypt) for
    parameters under a customer managed key.
requirements:
  - boto3 >= 1.34.0
notes:
  - The lookup shows no value at any verbosity.
  - On ansible-core 2.22 and later the values of SecureString parameters with four or more characters, and their base64
    form, are also masked in the output of the tasks that read them.
    On older versions put C(no_log=true) on tasks that show values.
  - Values are data and are never rendered as templates.
options:
  _terms:
    description:
      - Names of parameters, or lists of names.
      - A name may carry a version or a label, as in V(/langfuse/production/salt:3).
      - With O(by_path=true), paths. If two paths have the same name below them, the later path wins.
      - A term that is given twice is asked for once.
    type: list
    elements: str
    required: true
  by_path:
    description: Whether the terms are paths, below which all parameters are read.
    type: bool
    default: false
  recursive:
    description: Whether a path's levels below the first are read too. For O(by_path=true) only.
    type: bool
    default: true
  as_list:
    description:
      - Whether to return the values in order, instead of one dictionary of names and values.
        Use it with C(query), or with C(lookup) for a single name.
      - By name, one value for each term, V(null) for one that is missing or denied and not an error.
        By path, the values in the order of their names.
    type: bool
    default: false
  decrypt:
    description: Whether SecureString parameters are decrypted. If not, their value is the ciphertext.
    type: bool
    default: true
    env: [{name: SSM_SECRETS_DECRYPT}]
    ini: [{section: ssm_secrets, key: decrypt}]
    vars: [{name: ssm_secrets_decrypt}]
  on_missing:
    description:
      - What to do about a name (or its version or label) that does not exist, or a path without parameters.
      - V(error) fails and names all of them, V(warn) warns, V(skip) leaves them out silently.
    type: str
    choices: [error, warn, skip]
    default: error
    env: [{name: SSM_SECRETS_ON_MISSING}]
    ini: [{section: ssm_secrets, key: on_missing}]
    vars: [{name: ssm_secrets_on_missing}]
  on_denied:
    description:
      - What to do about a name or path that the credentials may not read or decrypt.
        The choices are as for O(on_missing).
      - AWS refuses a whole call for one denied name.
        The names of that call are then asked for one by one, so that the others are read.
    type: str
    choices: [error, warn, skip]
    default: error
    env: [{name: SSM_SECRETS_ON_DENIED}]
    ini: [{section: ssm_secrets, key: on_denied}]
    vars: [{name: ssm_secrets_on_denied}]
  cache:
    description:
      - Whether a complete answer is kept in memory and given to the same question again without a call.
        Answers with something missing or denied are not kept.
      - Ansible runs each task in a process of its own, so the cache serves repeated look-ups within a task, such as a
        variable that is used many times. What Ansible looks up for itself, as for a task's name, stays for the run.
      - Set it to V(false) to read back what the run has just written.
    type: bool
    default: true
    env: [{name: SSM_SECRETS_CACHE}]
    ini: [{section: ssm_secrets, key: cache}]
    vars: [{name: ssm_secrets_cache}]
  retries:
    description:
      - How often a call is tried again that was throttled, failed on AWS's side or did not get through.
      - Waits between tries grow, as in botocore's standard retry mode.
    type: int
    default: 4
    env: [{name: SSM_SECRETS_RETRIES}]
    ini: [{section: ssm_secrets, key: retries}]
    vars: [{name: ssm_secrets_retries}]
  region:
    description: AWS region. If it is not given here, the region of the profile counts.
    type: str
    env: [{name: AWS_REGION}, {name: AWS_DEFAULT_REGION}]
    ini: [{section: ssm_secrets, key: region}]
    vars: [{name: ssm_secrets_region}]
  profile:
    description: A profile of the AWS configuration files. Not together with O(access_key).
    type: str
    ini: [{section: ssm_secrets, key: profile}]
    vars: [{name: ssm_secrets_profile}]
  endpoint_url:
    description:
      - URL to use instead of AWS's own, such as that of a VPC endpoint.
      - If it is not given, boto3 reads E(AWS_ENDPOINT_URL_SSM) and E(AWS_ENDPOINT_URL).
    type: str
    ini: [{section: ssm_secrets, key: endpoint_url}]
    vars: [{name: ssm_secrets_endpoint_url}]
  access_key:
    description: AWS access key id. Needs O(secret_key).
    type: str
    ini: [{section: ssm_secrets, key: access_key}]
    vars: [{name: ssm_secrets_access_key}]
  secret_key:
    description: AWS secret access key.
    type: str
    secret: true
    ini: [{section: ssm_secrets, key: secret_key}]
    vars: [{name: ssm_secrets_secret_key}]
  session_token:
    description: AWS session token, for temporary credentials.
    type: str
    secret: true
    ini: [{section: ssm_secrets, key: session_token}]
    vars: [{name: ssm_secrets_session_token}]
seealso:
  - plugin: amazon.aws.ssm_parameter
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Read all secrets of one deployment
  ansible.builtin.set_fact:
    secrets: "{{ lookup('llmops.langfuse.ssm_secrets', '/langfuse/production', by_path=true, region='ap-south-1') }}"
  no_log: true

- name: Read two parameters, one of them as it was in version 3
  ansible.builtin.set_fact:
    salt: "{{ found['/langfuse/production/salt'] }}"
    former_password: "{{ found['/langfuse/production/redis-password:3'] }}"
  vars:
    wanted: [/langfuse/production/salt, "/langfuse/production/redis-password:3"]
    found: "{{ lookup('llmops.langfuse.ssm_secrets', wanted) }}"
  no_log: true

- name: Name the secrets that do not exist yet
  ansible.builtin.debug:
    msg: "{{ wanted | difference(found | list) }}"
  vars:
    wanted: [/langfuse/production/salt, /langfuse/production/encryption-key]
    found: "{{ lookup('llmops.langfuse.ssm_secrets', wanted, on_missing='skip') }}"

- name: Read one value by itself
  ansible.builtin.set_fact:
    salt: "{{ lookup('llmops.langfuse.ssm_secrets', '/langfuse/production/salt', as_list=true) }}"
  no_log: true

- name: Read values in the order of the names
  ansible.builtin.set_fact:
    pair: "{{ query('llmops.langfuse.ssm_secrets', 'google-client-id', 'google-client-secret', as_list=true) }}"
  no_log: true
"""

RETURN = r"""
_raw:
  description:
    - One dictionary of names and values, which C(lookup) returns as such and C(query) as the only element of a list.
    - By name, the keys are the terms as given. By path, they are relative to it, so below C(/langfuse/production)
      V(google/client-id) is the parameter C(/langfuse/production/google/client-id).
    - With O(as_list=true), the values themselves.
    - A value is a string, or a list of strings for a parameter of type StringList.
  type: list
  elements: raw
  sample:
    - salt: "the value"
      google/client-id: "the value"
"""

import base64
import typing as t
from copy import deepcopy
from dataclasses import fields

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display
from ansible_collections.llmops.langfuse.plugins.plugin_utils._ssm import Connection, Query, Reading, SsmError, read

try:
    from ansible.module_utils.secrets import register_secrets
except ImportError:  # ansible-core < 2.22

    def register_secrets(values: t.Iterable[str], /) -> None:
        """Do nothing: older cores mask no output."""


display = Display()

# Masking what is shorter would blot out half of all output and protect nothing.
SHORTEST_MASKED = 4


class LookupModule(LookupBase):
    """Read SSM parameters by name or by path."""

    def run(self, terms: list[t.Any], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[t.Any]:
        """Return one dictionary of names and values, or with as_list the values."""
        self._refuse_unknown(kwargs)
        self.set_options(var_options=variables, direct=kwargs)
        query = Query(
            terms=tuple(str(term).strip() for term in self._flatten(terms)),
            by_path=self.get_option("by_path"),
            recursive=self.get_option("recursive"),
            decrypt=self.get_option("decrypt"),
        )
        try:
            reading = read(self._connection(), query, cache=self.get_option("cache"))
        except SsmError as error:
            # The cause stays out: Ansible would print it, and AWS's own text can hold the session token.
            raise AnsibleLookupError(str(error)) from None
        self._apply_policies(reading)
        _mask(reading.secrets)
        values = deepcopy(reading.values)  # the cache keeps its own
        if not self.get_option("as_list"):
            return [values]
        return list(values.values()) if query.by_path else [values.get(term) for term in query.terms]

    def _refuse_unknown(self, arguments: dict[str, t.Any]) -> None:
        known = sorted(name for name in self.option_definitions if not name.startswith("_"))
        unknown = sorted(set(arguments) - set(known))
        if unknown:
            raise AnsibleLookupError(f"ssm_secrets has no option {', '.join(unknown)}: {', '.join(known)} are allowed.")

    def _connection(self) -> Connection:
        options = {option.name: self.get_option(option.name) for option in fields(Connection)}
        given = {name: value for name, value in options.items() if value not in ("", None)}  # "" as in boto3
        # Plain strings, since Ansible's tagged ones are not for libraries.
        return Connection(**{name: str(value) if isinstance(value, str) else value for name, value in given.items()})

    def _apply_policies(self, reading: Reading) -> None:
        faults = {
            "on_missing": reading.missing and _missing_fault(reading, self.get_option("by_path")),
            "on_denied": reading.denied and _denied_fault(reading),
        }
        errors = [fault for option, fault in faults.items() if fault and self.get_option(option) == "error"]
        if errors:
            raise AnsibleLookupError(" ".join(errors))
        for option, fault in faults.items():
            if fault and self.get_option(option) == "warn":
                display.warning(fault)


def _missing_fault(reading: Reading, by_path: bool) -> str:
    what = "No SSM parameters under" if by_path else "SSM parameters not found:"
    cure = "create them, correct the name or region, or set on_missing to warn or skip"
    return f"{what} {', '.join(reading.missing)} (in {reading.place}): {cure}."


def _denied_fault(reading: Reading) -> str:
    denied = ", ".join(f"{term} (needs {permission})" for term, permission in reading.denied.items())
    caller = f" to {reading.caller}" if reading.caller else ""
    cure = f"grant the permission{caller}, or set on_denied to warn or skip"
    return f"Access denied to SSM parameters {denied} in {reading.place}: {cure}."


def _mask(secrets: list[str]) -> None:
    """Have later output masked, also where a value stands as in a Kubernetes Secret's data."""
    long_enough = [secret for secret in secrets if len(secret) >= SHORTEST_MASKED]
    register_secrets([*long_enough, *(base64.b64encode(secret.encode()).decode() for secret in long_enough)])
