"""What a recipe can name and needs no download for: models, tokenizers, chat templates, data."""
