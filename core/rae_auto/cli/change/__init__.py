"""Commands that change jobs: the definition of an added job, editing and renaming."""
