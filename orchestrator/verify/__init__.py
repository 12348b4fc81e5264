"""The certificate of a driver: it is put alone between checked neighbours, and plays jobs that a wrong one fails.

The room's rule: a job is data (a stack, what is forced, what happens to it); one function plays any of them. May import
what the rest of the orchestrator may.
"""

from orchestrator.verify.certificate import Certificate
from orchestrator.verify.jobs import JOBS, Job, jobs_for
from orchestrator.verify.play import play
from orchestrator.verify.subject import NotVerifiable, Subject, find_subjects

__all__ = ["JOBS", "Certificate", "Job", "NotVerifiable", "Subject", "find_subjects", "jobs_for", "play"]
