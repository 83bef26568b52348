"""Plan scorer: predicted PDM sub-scores of candidates. Imports core and the other folders of networks."""
