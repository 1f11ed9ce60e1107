"""OpenStack's python-tackerclient, unmodified, as a VNFM's client of vnflcm and vnffm; keepers are `fake_keeper.py`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.agent.test_agent import package, states
from tests.integration.rest.test_vnflcm import LINKS
from tests.rigs.agent import OVER, Agent
from tests.rigs.keeper import wait_for

pytestmark = pytest.mark.long  # it brings fifty packages with it


@pytest.fixture
def tacker(agent: Agent) -> Any:
    from tackerclient.v1_0.client import Client

    # `token` goes into X-Auth-Token; without it the client would ask a Keystone for one
    return Client(endpoint_url=agent.url, token=agent.token, auth_strategy="noauth", api_version="2")


def ended(tacker: Any, instance: str, operation: str, *wanted: str) -> Any:
    def found() -> Any:
        shown = tacker.list_vnf_lcm_op_occs(filter=f"(eq,vnfInstanceId,{instance});(eq,operation,{operation})")
        newest = max(shown, key=lambda each: each["startTime"])
        return newest if newest["operationState"] in wanted else None

    return wait_for(found)


def test_a_life(agent: Agent, tacker: Any) -> None:
    vnfd = agent.ask("POST", "/v1/packages", data=package())[1]["vnfd_id"]
    made = tacker.create_vnf_instance({"vnfdId": vnfd, "vnfInstanceName": "fw"})
    identity = made["id"]
    tacker.instantiate_vnf_instance(identity, {
        "flavourId": "default", "extVirtualLinks": LINKS,
        "vimConnectionInfo": {"vim1": {"vimType": "ETSINFV.OPENSTACK_KEYSTONE.V_3", "interfaceInfo": {}}},
    })  # fmt: skip
    assert ended(tacker, identity, "INSTANTIATE", *OVER)["operationState"] == "COMPLETED"
    assert [each["id"] for each in tacker.list_vnf_instances()] == [identity]
    shown = tacker.show_vnf_instance(identity)
    assert shown["instantiatedVnfInfo"]["vnfState"] == "STARTED"
    tacker.update_vnf_instance(identity, {"vnfInstanceDescription": "first", "metadata": {"n": 1}})
    assert ended(tacker, identity, "MODIFY_INFO", *OVER)["operationState"] == "COMPLETED"
    tacker.update_vnf_instance(identity, {"vnfInstanceDescription": "second"})
    assert ended(tacker, identity, "MODIFY_INFO", *OVER)["operationState"] == "COMPLETED"
    assert tacker.show_vnf_instance(identity)["vnfInstanceDescription"] == "second"
    status, told = agent.ask("POST", f"/vnflcm/v2/vnf_instances/{identity}/operate", {"changeStateTo": "STOPPED"},
                             Version="2.0.0")  # fmt: skip
    assert status == 202, told
    assert ended(tacker, identity, "OPERATE", *OVER)["operationState"] == "COMPLETED"
    before = agent.keeper("fw")
    tacker.heal_vnf_instance(identity, {"cause": "slow"})
    assert ended(tacker, identity, "HEAL", *OVER)["operationState"] == "COMPLETED"
    assert agent.keeper("fw") != before and states(agent) == ("INSTANTIATED", "STOPPED")
    tacker.change_ext_conn_vnf_instance(identity, {"extVirtualLinks": [
        {"id": "vl-in", "resourceId": "eth7", "extCps": [{"cpdId": "in_ext"}]}]})  # fmt: skip
    assert ended(tacker, identity, "CHANGE_EXT_CONN", *OVER)["operationState"] == "COMPLETED"
    tacker.terminate_vnf_instance(identity, {"terminationType": "FORCEFUL"})
    occurrence = ended(tacker, identity, "TERMINATE", *OVER)
    assert occurrence["operationState"] == "COMPLETED"
    assert tacker.show_vnf_lcm_op_occs(occurrence["id"])["operationParams"] == {"terminationType": "FORCEFUL"}
    tacker.delete_vnf_instance(identity)
    assert tacker.list_vnf_instances() == []
    assert tacker.show_vnf_lcm_versions(None)["uriPrefix"].endswith("/vnflcm/v2")


def test_what_fails(agent: Agent, tacker: Any) -> None:
    from tackerclient.common.exceptions import TackerClientException

    vnfd = agent.ask("POST", "/v1/packages", data=package())[1]["vnfd_id"]
    identity = tacker.create_vnf_instance({"vnfdId": vnfd, "vnfInstanceName": "fw"})["id"]
    body = {"flavourId": "default", "extVirtualLinks": LINKS, "vnfConfigurableProperties": {"a": {"mode": "die"}}}

    def failed() -> Any:
        tacker.instantiate_vnf_instance(identity, body)
        return ended(tacker, identity, "INSTANTIATE", "FAILED_TEMP")

    resting = failed()
    with pytest.raises(TackerClientException, match="operation going on"):
        tacker.instantiate_vnf_instance(identity, body)
    tacker.retry_vnf_instance(resting["id"])
    ended(tacker, identity, "INSTANTIATE", "FAILED_TEMP")
    tacker.rollback_vnf_instance(resting["id"])
    assert ended(tacker, identity, "INSTANTIATE", *OVER)["operationState"] == "ROLLED_BACK"
    again = failed()
    assert tacker.fail_vnf_instance(again["id"])["operationState"] == "FAILED"
    with pytest.raises(TackerClientException, match="FAILED"):
        tacker.rollback_vnf_instance(again["id"])
    with pytest.raises(TackerClientException, match="no VNF instance"):
        tacker.show_vnf_instance("none")
    tacker.delete_vnf_instance(identity)
