"""Everything a recipe can name, one file each: schema, traits, compilation, documentation."""
