# make paper            the whole paper at scale mini: sounds, models, figures, in results/mini
# make test             the tests, without those that run notebooks
# make test-notebooks   the tests that run notebooks (minutes)
# make test-gpu         the tests that need a GPU
# make environment      only .venv, from requirements.lock; the others call it
#
# A python of your choice: make paper PYTHON=python3.12

.PHONY: help paper test test-notebooks test-gpu environment

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHON
export OMP_NUM_THREADS ?= 1
# compiled modules are kept: without them every notebook would take half a minute to start
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV PYTHONDONTWRITEBYTECODE

help:
	@sed -n 's/^# make/make/p' Makefile

paper: environment
	@python -m maa.lanes report@mini
	@dvc repro report@mini

test: environment
	@python -m pytest -m "not notebooks"

test-notebooks: environment
	@python -m pytest -m notebooks

test-gpu: environment
	@python -m pytest -m gpu

environment:
	@.ci/environment
