"""What methods take, as typed dictionaries: the fields of the API's bodies, by the API's names."""
