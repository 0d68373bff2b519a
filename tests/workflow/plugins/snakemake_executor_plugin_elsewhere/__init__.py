"""A cluster that takes every job and loses it. What it was asked for is noted in the file SUBMITTED."""

import json
import os

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings

common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    pass_default_storage_provider_args=True,
    pass_default_resources_args=True,
    pass_envvar_declarations_to_cmd=True,
    auto_deploy_default_storage_provider=False,
    init_seconds_before_status_checks=0,
)


def note(**values):
    with open(os.environ["SUBMITTED"], "a") as file:
        file.write(json.dumps(values) + "\n")


class Executor(RemoteExecutor):
    def run_job(self, job):
        note(rule=job.rule.name, gpu=job.resources.get("gpu"), command=self.format_job_exec(job))
        self.report_job_submission(SubmittedJobInfo(job))

    async def check_active_jobs(self, active_jobs):
        note(at_once=len(active_jobs))
        for info in active_jobs:
            self.report_job_error(info)
        for none in []:  # an asynchronous generator of the jobs that still run
            yield none

    def cancel_jobs(self, active_jobs):
        pass
