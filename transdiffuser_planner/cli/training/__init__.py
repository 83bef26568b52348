"""Commands that make samples and models, one file each; they parse, call and print."""
